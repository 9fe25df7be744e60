"""The service `docs`: the docs site of the stack."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

from infra.dbt import site
from infra.stack.program import Program
from infra.stack.progress import Progress
from infra.stack.service import Service


class Docs(Service):
    name = "docs"
    ports = ("docs",)

    def program(self) -> Program:
        return Program(
            self.name,
            [
                sys.executable,
                "-P",
                "-m",
                "infra.dbt.serve",
                self.settings.host,
                str(self.settings.docs_port),
                str(site.folder(self.settings)),
            ],
            Path("/"),
            {"PYTHONPATH": str(self.settings.root)},
            is_ours=True,
        )

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.address(), timeout=5):
                return True
        except urllib.error.HTTPError:
            # It answers that there is no site yet.
            return True
        except OSError:
            return False

    def problem(self) -> str:
        try:
            with urllib.request.urlopen(self.address(), timeout=5):
                return ""
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return "there is no site: './airline docs' makes it"
            return f"answers {error.code} on {self.address()}"
        except OSError:
            return f"does not answer on {self.address()}"

    def fill(self, progress: Progress) -> None:
        if not site.is_new(self.settings):
            site.build(self.settings, progress.say)

    def address(self) -> str:
        return f"http://{self.settings.host}:{self.settings.docs_port}"
