"""Distances on the globe and how long a flight over them takes."""

from __future__ import annotations

from math import asin, ceil, cos, radians, sin, sqrt

_EARTH_RADIUS_KM = 6371.0
# Taxiing, climb and approach, minutes: what a flight takes on top of the cruise.
_GROUND_MINUTES = 35


def distance_km(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> int:
    """Great-circle distance of two places given in degrees, in whole km."""
    lon_a, lat_a, lon_b, lat_b = map(radians, (lon_a, lat_a, lon_b, lat_b))
    half_chord = (
        sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    )
    return round(2 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(half_chord))))


def block_minutes(distance: int, speed: int) -> int:
    """From gate to gate over `distance` km at `speed` km/h, in minutes, rounded up to five."""
    return ceil((_GROUND_MINUTES + 60 * distance / speed) / 5) * 5


def solar_offset_minutes(lon: float) -> int:
    """Solar time's offset from UTC in minutes.

    The timetable only needs departures at reasonable hours. Time-zone rules differ between
    machines, solar time does not, and a history must be the same everywhere.
    """
    return round(lon / 15) * 60
