"""What an audit found, and which differences of a source that changes count."""

from __future__ import annotations

from dataclasses import dataclass, field

# Rows named per table and kind of difference, unless asked for more.
NAMED_ROWS = 5


# Differences are looked at again this often at most, where there are no more of them than that.
# Each look leaves those that changed while it was loaded: a few in a hundred, where loads are long.
LOOKS_AGAIN, ROWS_AGAIN = 5, 100_000


Row = tuple[str | None, ...]


Pair = tuple[int | None, int | None]


@dataclass
class TableResult:
    """One table's comparison; the lists name at most `NAMED_ROWS` rows, the numbers count all."""

    table: str
    key: list[str]
    source_rows: int = 0
    vault_rows: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    # Rows that differed at each look, and that changed between: never seen equal.
    changing: int = 0
    named: list[str] = field(default_factory=list)
    # What keeps it from being captured or compared as it should be: the audit is not clean then.
    findings: list[str] = field(default_factory=list)
    # Columns that only the source has: somebody added them, and the vault does not keep them yet.
    not_kept: list[str] = field(default_factory=list)
    # Newest load batch that the compared vault had loaded; 0 where none was.
    load_batch: int = 0
    # Events of the table that cannot be loaded as they are, and wait for a decision.
    set_aside: int = 0

    @property
    def differences(self) -> int:
        return self.missing + self.surplus + self.different + self.changing

    @property
    def is_clean(self) -> bool:
        return not (self.differences or self.findings)


@dataclass
class Findings:
    """What is wrong with the source as a whole, and its tables that nobody loads (no fault)."""

    source: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)


@dataclass
class Look:
    """One comparison of a source that changes meanwhile, and what the next one needs to judge it.

    `before`: what differed at the look before, None at the first; `rows`: what differs at this one;
    both (table, key) -> hashes of the source's row and of the vault's, None where there is none.
    `changing` counts rows that differ again and that have changed since.
    """

    before: dict[tuple[str, Row], Pair] | None = None
    rows: dict[tuple[str, Row], Pair] = field(default_factory=dict)
    changing: int = 0

    def counts(self, table: str, key: Row, ours: Row | None, theirs: Row | None) -> bool:
        """Whether a row that differs is a difference, and not a change that is on its way.

        All that was committed at the look before is in the vault by now. So it is one where both
        rows are the same as then; what differs for the first time was changed since. Where the
        source's row alone is the same it may have been another one in between, as the vault's is.
        """
        pair = (_digest(ours), _digest(theirs))
        if self.before is not None and (table, key) not in self.before:
            return False
        if len(self.rows) <= ROWS_AGAIN:
            self.rows[table, key] = pair
        if self.before is not None and self.before[table, key] != pair:
            self.changing += 1
            return False
        return True


def _digest(row: Row | None) -> int | None:
    return None if row is None else hash(row)
