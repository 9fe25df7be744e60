"""What the docs site says of personal data: what is marked at the source, wherever it comes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

MARK = "Personal data. "


def in_columns(manifest: dict[str, Any], personal: Collection[str]) -> None:
    """Says it of each column of the manifest that has the name of one that is marked: names stay
    on the way to the marts.
    """
    for node in manifest["nodes"].values():
        for name, column in node.get("columns", {}).items():
            if name in personal:
                column["description"] = MARK + column.get("description", "")
