"""The source's booking system: its tables, a generated history, CSV loads and live traffic."""

from infra.source.command import main
from infra.source.csv_load import load_csv
from infra.source.database import is_empty, setup
from infra.source.history import load_history
from infra.source.live import simulate

__all__ = ["is_empty", "load_csv", "load_history", "main", "setup", "simulate"]
