"""Colours and currency, the same on every dashboard."""

from __future__ import annotations

# Money in the marts is in the booking currency; this is how dashboards show it.
CURRENCY_CODES = ["RUB", "USD", "EUR"]

# The first colours of what has no colour of its own; dark enough on white, apart for colour-blind
# eyes.
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
