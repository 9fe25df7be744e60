"""Descriptions in the project's YAML: what models and columns mean is said once."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import yaml

BLOCK = re.compile(r"^\{% docs (\w+) %\}\n(.*?)\n\{% enddocs %\}$", re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"^\{\{ doc\('(\w+)'\) \}\}$")
FOLDERS = ("models", "snapshots", "seeds")


def blocks(root: Path) -> dict[str, str]:
    """Name -> text of each docs block; of two that have one name, the last."""
    return dict(_blocks(root))


def _blocks(root: Path) -> list[tuple[str, str]]:
    return [
        each
        for folder in FOLDERS
        for page in sorted((root / folder).rglob("*.md"))
        for each in BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


def written(root: Path) -> dict[str, list[str]]:
    """Description as it is written -> where, as file:line; an anchor's aliases do not count."""
    found = defaultdict(list)
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.yml")):
            for node in _descriptions(yaml.compose(file.read_text(encoding="utf-8")), set()):
                place = f"{file.relative_to(root)}:{node.start_mark.line + 1}"
                found[node.value.strip()].append(place)
    return found


def problems(root: Path) -> list[str]:
    """Texts that stand twice, blocks that nobody refers to, references to none; a line each."""
    known = blocks(root)
    times = Counter(name for name, _ in _blocks(root))
    found = [f"{name} is the name of {n} docs blocks" for name, n in times.items() if n > 1]
    referred = set()
    for text, places in written(root).items():
        if reference := REFERENCE.match(text):
            referred.add(reference[1])
        elif len(places) > 1:
            found.append(f"{text!r} is said in {', '.join(places)}")
        elif text in known.values():
            found.append(f"{places[0]}: {text!r} is a docs block already")
    found += [f"there is no docs block {name}" for name in sorted(referred - known.keys())]
    unused = known.keys() - referred - {"__overview__"}
    return found + [f"nobody refers to the docs block {name}" for name in sorted(unused)]


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
