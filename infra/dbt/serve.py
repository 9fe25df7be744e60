"""`python -m infra.dbt.serve`: serves the docs site, and nothing else, on loopback."""

from __future__ import annotations

import functools
import http.server
import sys
from pathlib import Path

NOT_YET = (
    "<!doctype html><title>Not made yet</title>"
    "<p>The docs site is not made yet: <code>./airline docs</code> makes it.</p>"
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site's files as they are now; no listings of folders, no log of requests."""

    def end_headers(self) -> None:
        # `./airline docs` makes the site anew under the same names.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def do_GET(self) -> None:
        if not (Path(self.directory) / "index.html").exists():
            page = NOT_YET.encode()
            self.send_response(503)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
            return
        super().do_GET()

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def main(host: str, port: int, folder: Path) -> None:
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer((host, port), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
