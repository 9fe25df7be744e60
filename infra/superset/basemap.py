"""The land under the map of airports, drawn by Superset itself.

Superset's own base maps come from servers that want a key or at least the net. These tiles are
drawn from basemap.json: outlines of the countries by Natural Earth (public domain, scale 1:110
million), each ring a list of longitude, latitude, longitude, …
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from io import BytesIO
from math import asinh, pi, radians, tan
from pathlib import Path
from typing import Any

OUTLINES = Path(__file__).with_name("basemap.json")
# What a chart names as its base map.
STYLE = "tile:///airline/tiles/{z}/{x}/{y}.png"
# Twice what a tile is shown at: sharp on dense screens.
SIZE = 512
DEEPEST = 19
WATER, LAND, BORDER = (233, 240, 246), (250, 248, 243), (203, 208, 214)

Ring = tuple[tuple[float, float], ...]


def project(longitude: float, latitude: float) -> tuple[float, float]:
    """A place on the square world of web maps: (0, 0) is north-west, (1, 1) south-east."""
    latitude = max(-85.05, min(85.05, latitude))
    return (longitude + 180) / 360, (1 - asinh(tan(radians(latitude))) / pi) / 2


@cache
def _rings() -> list[tuple[tuple[float, float, float, float], Ring]]:
    """Every ring on the square, with the box around it."""
    found = []
    for flat in json.loads(OUTLINES.read_text()):
        ring = [project(*flat[at : at + 2]) for at in range(0, len(flat), 2)]
        # A ring over the date line goes on beyond the square, and is there again at its other side.
        for at in range(1, len(ring)):
            x, y = ring[at]
            ring[at] = (x - round(x - ring[at - 1][0]), y)
        for shift in (-1, 0, 1):
            across, down = [x + shift for x, _ in ring], [y for _, y in ring]
            if max(across) >= 0 and min(across) <= 1:
                box = (min(across), min(down), max(across), max(down))
                found.append((box, tuple(zip(across, down, strict=True))))
    return found


@lru_cache(maxsize=1024)
def tile(z: int, x: int, y: int) -> bytes:
    """One tile as PNG."""
    from PIL import Image, ImageDraw

    scale = 2**z * SIZE
    west, north = x * SIZE, y * SIZE
    image = Image.new("RGB", (SIZE, SIZE), WATER)
    draw = ImageDraw.Draw(image)
    for box, ring in _rings():
        if not (
            box[2] * scale >= west
            and box[0] * scale <= west + SIZE
            and box[3] * scale >= north
            and box[1] * scale <= north + SIZE
        ):
            continue
        points = [(across * scale - west, down * scale - north) for across, down in ring]
        draw.polygon(points, fill=LAND)
        draw.line(points, fill=BORDER, width=2, joint="curve")
    out = BytesIO()
    image.quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


def blueprint() -> Any:
    """The addresses of the tiles, for Superset's BLUEPRINTS."""
    from flask import Blueprint, Response, abort

    tiles = Blueprint("airline_tiles", __name__, url_prefix="/airline/tiles")

    @tiles.route("/<int:z>/<int:x>/<int:y>.png")
    def one(z: int, x: int, y: int) -> Response:
        if z > DEEPEST or x >= 2**z or y >= 2**z:
            abort(404)
        answer = Response(tile(z, x, y), mimetype="image/png")
        answer.cache_control.public = True
        answer.cache_control.max_age = 86_400
        return answer

    return tiles
