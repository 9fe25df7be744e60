"""The theme of all dashboards: colour schemes and the currency's format."""

from __future__ import annotations

# Money in the marts is in the booking currency; this is how dashboards show it.
CURRENCY_CODES = ["RUB", "USD", "EUR"]

# Default colours of series; dark enough on white, and distinguishable for colour-blind readers.
CATEGORICAL_SCHEMES = [
    {
        "id": "airline",
        "label": "Airline",
        "description": "Colours of the airline's dashboards",
        "isDefault": True,
        "colors": [
            "#2F6DB5",
            "#E07B39",
            "#3C9D77",
            "#8B5FBF",
            "#C2487A",
            "#6B7C93",
            "#D4A72C",
            "#3BA3B8",
        ],
    },
    {
        "id": "airline_one",
        "label": "Airline, one colour",
        "description": "For bars of one kind that are a series each, so that a click says which",
        "isDefault": False,
        "colors": ["#2F6DB5"],
    },
]
