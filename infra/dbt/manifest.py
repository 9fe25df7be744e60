"""What dbt knows about the project once it has read it: target/manifest.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = "airline"
# Folders whose models people outside the project read.
PUBLISHED = "models/marts/"


class Manifest:
    """The project's manifest. Other packages' resources are left out."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    @classmethod
    def read(cls, file: Path) -> Manifest:
        return cls(json.loads(file.read_text()))

    def nodes(self, kind: str, folder: str = "") -> list[dict[str, Any]]:
        """Nodes of one kind (model, seed, snapshot, test) below `folder`, by name."""
        found = [
            node
            for node in self._content["nodes"].values()
            if node["package_name"] == PROJECT
            and node["resource_type"] == kind
            and node["original_file_path"].startswith(folder)
        ]
        return sorted(found, key=lambda node: node["name"])

    def published(self) -> list[dict[str, Any]]:
        """The models that are promised to people and dashboards."""
        return self.nodes("model", PUBLISHED)

    def relationships(self) -> Iterator[tuple[str, str, str]]:
        """What `relationships` tests state: unique id of the child, its column, unique id of the
        parent."""
        for test in self.nodes("test"):
            if (test.get("test_metadata") or {}).get("name") == "relationships":
                child = test["attached_node"]
                for parent in test["depends_on"]["nodes"]:
                    if parent != child:
                        yield child, test["column_name"], parent

    def dashboards(self, model: str) -> list[str]:
        """Labels of the exposures that read `model` (a unique id), directly or through others."""
        found, waiting, seen = set(), [model], set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self._content["exposures"]:
                exposure = self._content["exposures"][node]
                found.add(exposure.get("label") or exposure["name"])
            waiting += self._content["child_map"].get(node, [])
        return sorted(found)
