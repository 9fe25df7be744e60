"""`./airline bench up` reads the table that `up` prints."""

from __future__ import annotations

from benchmarks import up
from infra.stack.progress import Progress


def test_each_step_that_up_prints_is_read(capsys):
    """A step is missing from the comparison, or a line of something else is taken for one."""
    progress = Progress()
    progress.steps += [("airflow packages", 0.3, 41.5), ("dbt build", 60.0, 120.25)]
    print("  dwh_marts.x  1.0  2.0s")
    progress.print_steps()
    said = capsys.readouterr().out
    assert [(name, took) for name, _, took in up.STEP.findall(said)] == [
        ("airflow packages", "41.5"),
        ("dbt build", "120.2"),
    ]
    assert len(up.WHOLE.findall(said)) == 1
