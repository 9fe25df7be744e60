"""The arguments of `./airline dead-letters`. Standard library only: help needs no package."""

from __future__ import annotations

import argparse

from infra.stack.arguments import Parser
from ingest import dead_letter_options

PROG = "./airline dead-letters"


def parser() -> argparse.ArgumentParser:
    """The ingester's own, for what is refused at landing and at loading."""
    return dead_letter_options.parser(
        PROG, ", and events that landed and that the models cannot read, with the reason", Parser
    )
