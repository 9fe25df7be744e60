"""Descriptions in the project's YAML, as they are written and as dbt resolves them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import yaml

BLOCK = re.compile(r"^\{% docs (\w+) %\}\n(.*?)\n\{% enddocs %\}$", re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"^\{\{ doc\('(\w+)'\) \}\}$")
FOLDERS = ("models", "snapshots", "seeds")


def blocks(root: Path) -> dict[str, str]:
    """Name -> text of each docs block. Asserts that none is there twice."""
    found = [
        each
        for folder in FOLDERS
        for page in sorted((root / folder).rglob("*.md"))
        for each in BLOCK.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(dict(found)) == len(found), "two blocks have one name"
    return dict(found)


def written(root: Path) -> dict[str, list[str]]:
    """Description as it is written -> where, as file:line; an anchor's aliases do not count."""
    found = defaultdict(list)
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.yml")):
            for node in _descriptions(yaml.compose(file.read_text(encoding="utf-8")), set()):
                place = f"{file.relative_to(root)}:{node.start_mark.line + 1}"
                found[node.value.strip()].append(place)
    return found


def _descriptions(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "description" and isinstance(value, yaml.ScalarNode):
                yield value
            yield from _descriptions(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _descriptions(value, seen)
