"""`test --lint`: what can be said of a change without a server, in under a minute.

Each check that fails says how to mend it; `--fix` does for it what a program can.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.settings import ROOT
from infra.superset import assets, chain, exposures
from infra.testing import descriptions, engine_seam

FIX = "./airline test --lint --fix"
BREAKS = (
    "put back what is gone; or, if it is meant, change the dashboards, note it in CHANGELOG.md "
    "and accept it with './airline test --lint --accept-breaking'"
)
SQL = ("models", "tests/data")


@dataclass(frozen=True)
class Check:
    """One check: `run` returns what is wrong, '' if nothing."""

    name: str
    run: Callable[[], str]
    mend: str


def lint(
    target: Path, environment: Mapping[str, str], *, fix: bool = False, accept: bool = False
) -> bool:
    """Runs every check, a line each. Returns whether all is well.

    `target` is where dbt keeps its manifest. With `fix` what a program can mend is mended first;
    with `accept` promises of published models may be broken.
    """
    tools = _Tools(environment)
    if fix:
        tools.run("ruff", "check", "--quiet", "--fix")
        tools.run("ruff", "format", "--quiet")
        tools.run("sqlfluff", "fix", "--quiet", *SQL)
        assets.untidy(mend=True)
    by_itself = [
        Check("ruff check", lambda: tools.run("ruff", "check", "--quiet"), FIX),
        Check("ruff format", lambda: tools.run("ruff", "format", "--check", "--quiet"), FIX),
        Check(
            "sqlfluff",
            lambda: tools.run("sqlfluff", "lint", "--nocolor", "--disable-progress-bar", *SQL),
            f"{FIX}, or as the rule in brackets says; a macro it cannot run goes into .sqlfluff",
        ),
        Check(
            "yamllint",
            lambda: tools.run("yamllint", "--strict", "."),
            "as it says; rules are set in .yamllint",
        ),
        Check(
            "dashboards, charts, datasets, columns",
            _dashboards,
            "as it says, in infra/superset/assets; a renamed column is renamed there too",
        ),
        Check(
            "dashboards' files as an export writes them",
            lambda: "\n".join(assets.untidy()),
            FIX,
        ),
        Check(
            "descriptions, each said once",
            lambda: "\n".join(descriptions.problems(ROOT)),
            "a block in models/descriptions, referred to as \"{{ doc('<block>') }}\"",
        ),
        Check(
            "no spelling of one engine outside macros/engine",
            lambda: "\n".join(engine_seam.problems(ROOT)),
            "as it says; what the macros return is in macros/engine/README.md",
        ),
        Check(
            "exposures",
            lambda: exposures.problem(fix),
            f"{FIX} writes them from infra/superset/assets",
        ),
        Check(
            "pre-commit configuration",
            lambda: tools.run("pre-commit", "validate-config", ".pre-commit-config.yaml"),
            "as it says",
        ),
    ]
    parse = Check(
        "dbt parse, warnings are errors",
        lambda: tools.run("dbt", "--quiet", "--warn-error", "parse", "--no-partial-parse"),
        "as it says; `./airline dbt parse` shows it alone",
    )
    with ThreadPoolExecutor(2) as pool:
        # The others while dbt reads the project, which takes longest.
        others = pool.submit(lambda: [_report(check) for check in by_itself])
        well = _report(parse)
        if well:
            well = all([_report(check) for check in _of_manifest(tools, target, fix, accept)])
        return all(others.result()) and well


def _of_manifest(tools: _Tools, target: Path, fix: bool, accept: bool) -> Sequence[Check]:
    return [
        Check(
            "dbt-bouncer",
            lambda: _conventions(tools, target),
            "as it says; conventions are set in dbt-bouncer.yml",
        ),
        Check(
            "contracts of published models",
            lambda: _contracts(target, fix, accept),
            "as it says",
        ),
        Check(
            "personal data is marked, and marts show it to few",
            lambda: _personal(target),
            "as it says; docs/security.md says what follows from the mark",
        ),
        Check("ER diagrams", lambda: _diagrams(target, fix), FIX),
    ]


class _Tools:
    """The programs of the test environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def run(self, program: str, *arguments: str) -> str:
        """What it said, if it failed; '' if it did not."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return (done.stdout.strip() or f"exit {done.returncode}") if done.returncode else ""


def _report(check: Check) -> bool:
    begin = time.monotonic()
    wrong = check.run()
    took = f"{time.monotonic() - begin:5.1f} s"
    if not wrong:
        print(f"ok      {took}  {check.name}", flush=True)
        return True
    lines = "\n".join(f"    {line}" for line in wrong.splitlines())
    print(f"FAILED  {took}  {check.name}\n{lines}\n    to mend it: {check.mend}", flush=True)
    return False


def _dashboards() -> str:
    return "\n".join(chain.problems(assets.read(), ROOT))


def _conventions(tools: _Tools, target: Path) -> str:
    import yaml

    rules = yaml.safe_load((ROOT / "dbt-bouncer.yml").read_text())
    rules["dbt_artifacts_dir"] = str(target)
    configuration, results = target / "dbt-bouncer.yml", target / "dbt-bouncer.json"
    configuration.write_text(yaml.safe_dump(rules))
    results.unlink(missing_ok=True)
    said = tools.run(
        "dbt-bouncer",
        "run",
        f"--config-file={configuration}",
        f"--output-file={results}",
        "--output-format=json",
    )
    if not said or not results.exists():
        return said
    failed = [each for each in json.loads(results.read_text()) if each["outcome"] == "failed"]
    return "\n".join(each["failure_message"] for each in failed) or said


def _contracts(target: Path, fix: bool, accept: bool) -> str:
    from infra.dbt import contracts
    from infra.dbt.manifest import Manifest

    manifest = Manifest.read(target / "manifest.json")
    before, after = contracts.read(), contracts.contracts(manifest)
    broken = contracts.breaking(before, after, manifest)
    if broken and not accept:
        return "\n".join([*broken, BREAKS])
    if contracts.text(before) == contracts.text(after):
        return ""
    if fix or accept:
        contracts.write(after)
        return ""
    new = [name for name in after if before.get(name) != after[name]]
    return f"docs/contracts.json lacks what is new in {', '.join(new)} (nothing is broken): {FIX}"


def _personal(target: Path) -> str:
    import catalogue
    from infra.dbt.manifest import Manifest
    from infra.testing import personal

    datasets = {name: role.datasets for name, role in assets.read_roles().items()}
    manifest = Manifest.read(target / "manifest.json")
    return "\n".join(personal.problems(manifest, catalogue.tables(), datasets))


def _diagrams(target: Path, fix: bool) -> str:
    from infra.dbt import drawing, schema
    from infra.dbt.manifest import Manifest

    manifest = Manifest.read(target / "manifest.json")
    old = []
    for name, made in (("dwh_schema", schema.vault), ("marts_schema", schema.marts)):
        drawn = made(manifest)
        text, picture = ROOT / "docs" / f"{name}.mmd", ROOT / "docs" / f"{name}.svg"
        is_new = text.exists() and text.read_text() == drawn.mermaid()
        if is_new and drawing.drawn_from(picture) == drawing.digest(drawn):
            continue
        if fix:
            text.write_text(drawn.mermaid())
            drawing.draw(drawn, picture)
        else:
            old.append(f"docs/{name}.mmd and .svg do not show the models as they are")
    return "\n".join(old)
