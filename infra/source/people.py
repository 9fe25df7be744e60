"""Passengers: their documents, names and contacts."""

from __future__ import annotations

import json
from random import Random

from infra.source.reference_data import names

# Countries whose passengers are mostly written in Cyrillic.
_CYRILLIC = frozenset({"RU", "BY"})
# Coprime with ten: number -> number * it mod 10^10 meets every document once.
_SPREAD = 7_778_742_049


def passenger_id(country: str, number: int) -> str:
    """Document of passenger `number` (below 10^10): no two numbers share one."""
    return f"{country} {number * _SPREAD % 10**10:010d}"


def pick(rng: Random, items: list[str]) -> str:
    """One of `items`; several times as fast as Random.choice."""
    return items[int(rng.random() * len(items))]


def script(rng: Random, country: str) -> str:
    """The script in which a family of that country writes its name."""
    mostly = "Cyrillic" if country in _CYRILLIC else "Latin"
    if rng.random() < 0.93:
        return mostly
    return "Latin" if mostly == "Cyrillic" else "Cyrillic"


def family_name(rng: Random, writing: str) -> str:
    return pick(rng, names()[writing]["family"])


def full_name(rng: Random, writing: str, family: str) -> str:
    return f"{pick(rng, names()[writing]['given'])} {family}"


def contact(rng: Random, number: int) -> str | None:
    """JSON with phone, email or both, or None: three in ten leave nothing."""
    kind = rng.random()
    if kind < 0.3:
        return None
    data = {}
    if kind < 0.9:
        data["phone"] = f"+7{int(rng.random() * 9e9) + 10**9}"
    if kind > 0.5:
        data["email"] = f"traveller{number}@example.com"
    return json.dumps(data)
