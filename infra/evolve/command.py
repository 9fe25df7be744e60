"""`evolve`: the source's tables have changed, and the project's files follow."""

from __future__ import annotations

from pathlib import Path

from infra.airflow import config
from infra.dbt import packages, runner
from infra.errors import AirlineError
from infra.evolve import plan
from infra.evolve.files import Edit
from infra.loading import catch_up
from infra.parts import running
from infra.parts.registry import parts
from infra.settings import Settings
from infra.stack import home
from infra.stack.progress import Progress, complain

APPLY = "./airline evolve --apply"


def evolve(settings: Settings, *, apply: bool) -> int:
    """Prints how the source's tables differ from the models; with `apply` writes what follows.

    Returns 1 where something is left that a person has to do, else 0.
    """
    source, found = plan.find(settings.dsn("primary"), settings.root)
    if not found:
        print("the source's tables are as the project models them: nothing to do")
        return 0
    print(plan.text(found))
    written = [each for each in found if each.writes]
    left = [each for each in found if each.is_for_a_person]
    if not written:
        print("evolve: nothing to write" + (f", {len(left)} for you to do" if left else ""))
        return 1 if left else 0
    if not apply:
        print(f"evolve: {len(written)} to write, nothing is written yet: '{APPLY}'")
        return 1 if left else 0
    edit = plan.edit(settings.root, source, found)
    packages.put_in_place(complain)
    for path in write(settings, edit):
        print(f"wrote {path}")
    load(settings)
    print("look at the files ('git diff') and commit them; marts may use the new columns now")
    return 1 if left else 0


def show(settings: Settings) -> int:
    """Prints the plan as one JSON object; returns what `evolve` would."""
    _, found = plan.find(settings.dsn("primary"), settings.root)
    print(plan.document(found))
    return 1 if any(each.is_for_a_person for each in found) else 0


def write(settings: Settings, edit: Edit) -> list[str]:
    """Writes the files, if dbt can read the project with them; and draws the vault's diagram anew.

    Returns the paths. Raises AirlineError with what dbt says; then all files are as before.
    """
    written = edit.write()
    if said := runner.complaint(settings, "parse", "--target-path", str(_target(settings))):
        edit.undo()
        raise AirlineError(
            "dbt cannot read the project with the new columns in it; all files are as before",
            "model them by hand, as their neighbours are",
            said,
        )
    return written + _draw(settings)


def load(settings: Settings) -> None:
    """Fills the new columns from the raw events, where the stack runs."""
    try:
        running.refuse_down(settings)
    except AirlineError:
        print("the stack does not run: the next load fills the new columns ('./airline up')")
        return
    progress = Progress()
    with home.alone(settings, complain):
        if "airflow" in parts(settings):
            # Its load builds what stands in there.
            runner.publish_manifest(settings, config.dbt_artifacts(settings))
        catch_up.land(settings, progress)
        catch_up.build(settings, progress, catch_up.VAULT, always=True)


def _draw(settings: Settings) -> list[str]:
    from infra.dbt import drawing, schema
    from infra.dbt.manifest import Manifest

    drawn = schema.vault(Manifest.read(_target(settings) / "manifest.json"))
    diagram = settings.root / "docs" / "dwh_schema.mmd"
    if diagram.read_text() == drawn.mermaid():
        return []
    diagram.write_text(drawn.mermaid())
    drawing.draw(drawn, diagram.with_suffix(".svg"))
    return [f"docs/{diagram.name}", f"docs/{diagram.stem}.svg"]


def _target(settings: Settings) -> Path:
    # A folder of its own: a build that runs beside writes its manifest over the usual one.
    return settings.home / "dbt" / "evolve"
