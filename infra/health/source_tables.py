"""Whether changes of each declared table are captured, and which columns the project leaves out."""

from __future__ import annotations

import catalogue
from infra.evolve import catalogue as at_source
from infra.evolve import types
from infra.health.finding import Finding
from infra.postgres import sessions
from infra.settings import Settings
from infra.source import capture, resync_due


def source_tables(settings: Settings) -> Finding:
    """Compares the catalogue with the declared tables; records faults that lose changes."""
    source = resync_due.look(settings)
    faults = capture.faults(source)
    ill = {each.table for each in faults}
    count = len(catalogue.tables())
    well = 0 if None in ill else count - len(ill)
    text = f"{well} of {count} captured"
    columns = capture.unknown_columns(source)
    names = [f"{table}.{column}" for table, found in columns.items() for column in found]
    if names:
        text += f"; not kept in the vault: {', '.join(names)} ('./airline evolve' takes them in)"
    changed = _of_another_type(settings)
    if changed:
        text += f"; of another type: {', '.join(changed)} ('./airline evolve' says what it means)"
    return Finding(
        "",
        text,
        "; ".join(str(each) for each in faults),
        {
            "captured": well,
            "faults": [{"table": each.table, "what": each.what} for each in faults],
            "not_kept": names,
            "of_another_type": changed,
        },
    )


def _of_another_type(settings: Settings) -> list[str]:
    """Columns whose type at the source is none that comes as the project's."""
    with sessions.reading(settings.dsn("primary")) as cursor:
        tables = at_source.read(cursor.connection)
    return [
        f"{table.name}.{name} ({column.type})"
        for table in catalogue.tables().values()
        if table.name in tables
        for name, modelled in table.modelled.items()
        if (column := tables[table.name].columns.get(name)) is not None
        and types.relation(column, modelled) == "other"
    ]
