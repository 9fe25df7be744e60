"""Macros of macros/engine as text, for an engine whose adapter of dbt is not installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
from jinja2.runtime import Context

from tests.support.engine_cases import CONTRACT


class EngineLacksError(Exception):
    """A macro of the contract that the engine has not got."""


class _Adapter:
    """dbt's `adapter`, as far as the contract needs it."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    @jinja2.pass_context
    def dispatch(self, context: Context, name: str, package: str) -> Callable[..., str]:
        own = context.resolve(f"{self._engine}__{name}")
        return context.resolve(f"default__{name}") if isinstance(own, jinja2.Undefined) else own


class _Exceptions:
    """dbt's `exceptions`, likewise."""

    @staticmethod
    def raise_compiler_error(message: str) -> Any:
        raise EngineLacksError(message)


def rendered(engine: str, template: str) -> str:
    """The template with the macros as `engine` has them. Raises EngineLacksError."""
    files = [*sorted(CONTRACT.glob("*.sql")), *sorted((CONTRACT / engine).glob("*.sql"))]
    macros = "".join(file.read_text() for file in files)
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
    target = {"type": engine}
    return environment.from_string(macros + template).render(
        adapter=_Adapter(engine), exceptions=_Exceptions(), target=target
    )
