"""A limit on guesses of passwords, where Airflow gives tokens to programs."""

from __future__ import annotations

from typing import Any

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.responses import JSONResponse

from infra.settings import LOGIN_LIMIT

TOKENS = "/auth/token"


class LoginLimit:
    """Answers 429 to who asks for tokens too often, right password or not. One process counts."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._limit = parse(LOGIN_LIMIT)
        self._counted = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if _asks_for_a_token(scope):
            address = (scope.get("client") or ("",))[0]
            if not self._counted.hit(self._limit, address):
                answer = JSONResponse({"detail": f"more than {LOGIN_LIMIT}"}, status_code=429)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _asks_for_a_token(scope: dict[str, Any]) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and scope["path"].rstrip("/").startswith(TOKENS)
    )
