"""An OSV server on loopback, which can be made to misbehave."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Osv:
    """`flaws` are records as OSV publishes them; each is told of the packages under `affected`.
    A batch's answer has one vulnerability a page where `paged`; `broken` answers 500.
    """

    url: str = ""
    flaws: list[dict[str, Any]] = field(default_factory=list)
    paged: bool = False
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [
            flaw
            for flaw in self.flaws
            if any(each["package"]["name"] == name for each in flaw["affected"])
        ]


def flaw(identity: str, ecosystem: str, name: str, mended_in: str) -> dict[str, Any]:
    return {
        "id": identity,
        "summary": "planted",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [
                    {
                        "type": "ECOSYSTEM",
                        "events": [{"introduced": "0"}, {"fixed": mended_in}],
                    }
                ],
            }
        ],
    }


@contextmanager
def osv(context: ssl.SSLContext | None = None) -> Iterator[Osv]:
    """With a TLS `context` it answers by https."""
    told = Osv()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/v1/query":
                name = body["package"]["name"]
                told.asked.append(name)
                self._say({"vulns": told.of(name)} if told.of(name) else {})
            else:
                self._say({"results": [self._result(each) for each in body["queries"]]})

        def do_GET(self) -> None:
            identity = self.path.rpartition("/")[2]
            self._say(next(each for each in told.flaws if each["id"] == identity))

        def _result(self, query: dict[str, Any]) -> dict[str, Any]:
            path = query["package"]["purl"].removeprefix("pkg:maven/").rpartition("@")[0]
            name = path.replace("/", ":")
            told.asked.append(name)
            found = [{"id": each["id"]} for each in told.of(name)]
            if not told.paged:
                return {"vulns": found} if found else {}
            page = int(query.get("page_token", 0))
            following = {"next_page_token": str(page + 1)} if page + 1 < len(found) else {}
            return {"vulns": found[page : page + 1]} | following

        def _say(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(500 if told.broken else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
