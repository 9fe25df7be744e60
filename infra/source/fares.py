"""What a segment costs."""

from __future__ import annotations

_BASE = 1500
_PER_KM = 3.2
_CABIN = {"Economy": 1.0, "Comfort": 1.7, "Business": 3.1}
# Fares are multiples of it.
_STEP = 50


def fare(distance: int, cabin: str, lead_days: float, demand: float = 1.0) -> int:
    """Price of a segment of `distance` km, in whole currency units.

    Dearer by cabin, and the later it is bought: from 0.8 of the usual three months ahead to 1.5 on
    the last day. `demand` multiplies (0.9 to 1.1 in ordinary times). Long ways cost less per km.
    """
    late = 0.8 + 0.7 * max(0.0, 1.0 - lead_days / 90.0) ** 3
    usual = _BASE + _PER_KM * distance**0.97
    return max(_STEP, round(usual * _CABIN[cabin] * late * demand / _STEP) * _STEP)
