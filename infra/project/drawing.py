"""Draws a Schema as PNG with Pillow: no renderer to install, the same picture everywhere.

A picture carries the digest of the text it was drawn from, so that the lint can tell an old one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise, permutations
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from infra.project.schema import Entity, Relation, Schema

SCALE = 2
WIDTH, LINE, HEAD, PAD = 268, 17, 26, 6
GAP, STACK_GAP, BAND = 44, 22, 120
MARGIN, TITLE = 40, 56
# kind -> colour of the head
COLOURS = {
    "hub": "#1f5fa8",
    "link": "#2e8b57",
    "satellite": "#c98a1b",
    "dwh_marts": "#1f5fa8",
    "presentation": "#2e8b57",
    "reference": "#8a8a8a",
    "snapshots": "#c98a1b",
}
NAMES = {
    "hub": "hub: business keys",
    "link": "link: relations of keys",
    "satellite": "satellite: attributes, one row per version",
    "dwh_marts": "dwh_marts: view",
    "presentation": "presentation: table",
    "reference": "reference: seed",
    "snapshots": "snapshots: history",
}
LINES = {"FK": "#7a7f87", "satellite": "#c98a1b"}

Place = dict[str, tuple[int, int]]


def digest(schema: Schema) -> str:
    return hashlib.sha256(schema.mermaid().encode()).hexdigest()


def drawn_from(file: Path) -> str:
    """The digest that the picture carries; '' where there is none."""
    try:
        with Image.open(file) as image:
            return image.info.get("drawn-from", "")
    except OSError:
        return ""


def draw(schema: Schema, file: Path) -> None:
    """Writes the picture of `schema`."""
    place = _vault_places(schema) if _is_vault(schema) else _ranked_places(schema)
    entities = {entity.name: entity for entity in schema.entities}
    width = max(x for x, _ in place.values()) + WIDTH + MARGIN
    height = max(y + _height(entities[name]) for name, (_, y) in place.items()) + MARGIN
    image = Image.new("RGB", (width * SCALE, height * SCALE), "white")
    pen = ImageDraw.Draw(image)
    _title(pen, schema)
    for points, colour in _lines(schema, place, entities):
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        pen.line(scaled, fill=colour, width=2 * SCALE, joint="curve")
    for name, (x, y) in place.items():
        _box(pen, entities[name], x, y)
    notes = PngImagePlugin.PngInfo()
    notes.add_text("drawn-from", digest(schema))
    # Flat colours: a palette makes the file a fourth of the size.
    image.quantize(64).save(file, pnginfo=notes, optimize=True)


def _is_vault(schema: Schema) -> bool:
    return any(entity.kind == "hub" for entity in schema.entities)


def _height(entity: Entity) -> int:
    return HEAD + PAD + LINE * len(entity.columns) + PAD


def _vault_places(schema: Schema) -> Place:
    """Hubs in a row with their satellites above, links in a row below with theirs beneath."""
    entities = {entity.name: entity for entity in schema.entities}
    hubs = [entity.name for entity in schema.entities if entity.kind == "hub"]
    links = [entity.name for entity in schema.entities if entity.kind == "link"]
    ends = {
        link: [one.parent for one in schema.relations if one.child == link and one.parent in hubs]
        for link in links
    }
    stacks: dict[str, list[str]] = {core: [] for core in (*hubs, *links)}
    for relation in schema.relations:
        child = entities[relation.child]
        if child.kind == "satellite" and relation.column == child.columns[0].name:
            stacks[relation.parent].append(child.name)
    hubs, links = _least_crossings(hubs, links, ends)
    above = max(sum(_height(entities[name]) + STACK_GAP for name in stacks[hub]) for hub in hubs)
    hub_top = TITLE + MARGIN + above
    place: Place = {}
    for number, hub in enumerate(hubs):
        x = MARGIN + number * (WIDTH + GAP)
        place[hub] = (x, hub_top)
        y = hub_top
        for name in reversed(stacks[hub]):
            y -= _height(entities[name]) + STACK_GAP
            place[name] = (x, y)
    link_top = hub_top + max(_height(entities[hub]) for hub in hubs) + BAND
    spread = (len(hubs) - 1) * (WIDTH + GAP) / max(len(links) - 1, 1)
    for number, link in enumerate(links):
        x, y = MARGIN + round(number * spread), link_top
        place[link] = (x, y)
        y += _height(entities[link]) + STACK_GAP
        for name in stacks[link]:
            place[name] = (x, y)
            y += _height(entities[name]) + STACK_GAP
    return place


def _least_crossings(
    hubs: list[str], links: list[str], ends: dict[str, list[str]]
) -> tuple[list[str], list[str]]:
    """The order in which fewest lines cross, and of those the one with the shortest lines."""

    def judge(order: tuple[str, ...]) -> tuple[float, float, list[str]]:
        at = {hub: number for number, hub in enumerate(order)}
        middle = {link: sum(at[hub] for hub in ends[link]) / len(ends[link]) for link in links}
        row = sorted(links, key=lambda link: (middle[link], link))
        lines = [(place, at[hub]) for place, link in enumerate(row) for hub in ends[link]]
        crossings = sum(
            (one[0] - other[0]) * (one[1] - other[1]) < 0 for one in lines for other in lines
        )
        step = (len(order) - 1) / max(len(row) - 1, 1)
        return crossings, sum(abs(place * step - hub) for place, hub in lines), row

    best = min(permutations(sorted(hubs)), key=lambda order: judge(order)[:2])
    return list(best), judge(best)[2]


def _ranked_places(schema: Schema) -> Place:
    """Each entity below all it refers to; last, in rows of six, those without a relation."""
    parents: dict[str, set[str]] = {entity.name: set() for entity in schema.entities}
    for relation in schema.relations:
        if relation.parent != relation.child:
            parents[relation.child].add(relation.parent)
    rank: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in rank:
            rank[name] = 1 + max((level(parent) for parent in parents[name]), default=-1)
        return rank[name]

    def lean(name: str) -> tuple[float, str]:
        above = [place[parent][0] for parent in parents[name]]
        return (sum(above) / len(above) if above else 0, name)

    entities = {entity.name: entity for entity in schema.entities}
    related = {one.child for one in schema.relations} | {one.parent for one in schema.relations}
    rows = [
        [name for name in entities if name in related and level(name) == wanted]
        for wanted in range(max(map(level, entities)) + 1)
    ]
    place: Place = {}
    top = TITLE + MARGIN
    for row in [*rows, sorted(entities.keys() - related)]:
        names = sorted(row, key=lean)
        for begin in range(0, len(names), 6):
            part = names[begin : begin + 6]
            # A short row stands in the middle.
            left = MARGIN + (6 - len(part)) * (WIDTH + GAP) // 2
            for number, name in enumerate(part):
                place[name] = (left + number * (WIDTH + GAP), top)
            top += max(_height(entities[name]) for name in part) + BAND * 2 // 3
    return place


def _lines(
    schema: Schema, place: Place, entities: dict[str, Entity]
) -> Iterable[tuple[list[tuple[int, int]], str]]:
    """Each relation as a line between the nearer sides of its boxes, brackets within a stack."""
    joints: dict[tuple[str, str], list[Relation]] = {}
    for relation in schema.relations:
        if place[relation.child][0] == place[relation.parent][0] and (
            entities[relation.child].kind == "satellite"
        ):
            yield _bracket(relation, place, entities), LINES["satellite"]
            continue
        side = "top" if place[relation.child][1] > place[relation.parent][1] else "bottom"
        other = "bottom" if side == "top" else "top"
        joints.setdefault((relation.child, side), []).append(relation)
        joints.setdefault((relation.parent, other), []).append(relation)
    ports: dict[tuple[str, Relation], tuple[int, int]] = {}
    for (name, side), relations in joints.items():
        x, y = place[name]

        def far_end(relation: Relation, name: str = name) -> tuple[int, str]:
            end = relation.parent if relation.child == name else relation.child
            return place[end][0], relation.column

        for number, relation in enumerate(sorted(relations, key=far_end), start=1):
            ports[name, relation] = (
                x + WIDTH * number // (len(relations) + 1),
                y if side == "top" else y + _height(entities[name]),
            )
    for relation in schema.relations:
        if (relation.child, relation) in ports:
            child, parent = ports[relation.child, relation], ports[relation.parent, relation]
            colour = LINES["satellite" if entities[relation.child].kind == "satellite" else "FK"]
            yield _curve(child, parent), colour


def _bracket(
    relation: Relation, place: Place, entities: dict[str, Entity]
) -> list[tuple[int, int]]:
    x, child_top = place[relation.child]
    _, parent_top = place[relation.parent]
    child_middle, parent_middle = child_top + HEAD // 2, parent_top + HEAD // 2
    return [(x, child_middle), (x - 12, child_middle), (x - 12, parent_middle), (x, parent_middle)]


def _curve(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """An S that leaves both boxes at a right angle."""
    (x1, y1), (x2, y2) = start, end
    middle = (y1 + y2) / 2
    points = []
    for step in range(25):
        t = step / 24
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        points.append(
            (round(a * x1 + b * x1 + c * x2 + d * x2), round(a * y1 + (b + c) * middle + d * y2))
        )
    return [one for one, other in pairwise([*points, (-1, -1)]) if one != other]


def _box(pen: ImageDraw.ImageDraw, entity: Entity, x: int, y: int) -> None:
    height = _height(entity)
    colour = COLOURS.get(entity.kind, "#555555")
    left, top = x * SCALE, y * SCALE
    right, bottom = (x + WIDTH) * SCALE, (y + height) * SCALE
    pen.rounded_rectangle((left, top, right, bottom), 6 * SCALE, "white", colour, 2 * SCALE)
    pen.rounded_rectangle((left, top, right, (y + HEAD) * SCALE), 6 * SCALE, colour)
    pen.text(((x + 10) * SCALE, (y + 5) * SCALE), entity.name, "white", _font(14))
    for number, column in enumerate(entity.columns):
        line = (y + HEAD + PAD + number * LINE) * SCALE
        pen.text(((x + 10) * SCALE, line), column.mark, colour, _font(10))
        pen.text(((x + 30) * SCALE, line), column.name, "#222222", _font(11.5))
        if column.kind:
            pen.text(((x + WIDTH - 8) * SCALE, line), column.kind, "#888888", _font(9), anchor="ra")


def _title(pen: ImageDraw.ImageDraw, schema: Schema) -> None:
    pen.text((MARGIN * SCALE, 22 * SCALE), schema.title, "#222222", _font(22))
    x = MARGIN
    for kind in dict.fromkeys(entity.kind for entity in schema.entities):
        pen.rectangle([x * SCALE, 62 * SCALE, (x + 14) * SCALE, 76 * SCALE], COLOURS.get(kind))
        pen.text(((x + 20) * SCALE, 61 * SCALE), NAMES.get(kind, kind), "#444444", _font(12))
        x += 60 + round(pen.textlength(NAMES.get(kind, kind), _font(12)) / SCALE)


def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size * SCALE)
