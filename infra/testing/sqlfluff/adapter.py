"""What sqlfluff, which runs macros without dbt, takes for dbt's `adapter` (`library_path` in
.sqlfluff): a macro of the engine seam is the one of the engine whose dialect sqlfluff reads.
"""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, name: str, package: str) -> Callable[..., str]:
    """The macro `name` of PostgreSQL."""
    return context[f"postgres__{name}"]
