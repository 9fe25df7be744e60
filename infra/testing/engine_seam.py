"""Where models and macros spell one engine: only macros/engine may. Its README has the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDERS = ("models", "macros", "snapshots", "tests/data")
ENGINE = Path("macros/engine")

# Files that still spell PostgreSQL. The list only gets shorter: one that is clean must leave it.
NOT_YET = (
    "macros/cdc/restore_unavailable_values.sql",
    "macros/load_batch/added_columns.sql",
    "macros/load_batch/check_hashing.sql",
    "macros/load_batch/check_version.sql",
    "macros/load_batch/close_load_batch.sql",
    "macros/load_batch/event_fault.sql",
    "macros/load_batch/load_batch_changes.sql",
    "macros/load_batch/load_batch_transactions.sql",
    "macros/load_batch/note_incomplete_transactions.sql",
    "macros/load_batch/note_repeated_events.sql",
    "macros/load_batch/open_load_batch.sql",
    "macros/load_batch/set_aside_events.sql",
)

CASTS = "cast_to, as_text, as_double or as_moment"
STATEMENT = "a macro of macros/engine for the whole statement"
# What gives an engine away, in SQL or in a text that a macro makes SQL of -> what to write instead.
SPELLINGS = {
    r"::\s*\w+": "cast_to or as_text",
    r"->>?(?!\s*%)": "json_text or json_member",
    r"\?[|&]": "json_has_any",
    r"\bjsonb_\w+\s*\(|\bto_jsonb?\s*\(|\bjson_build_\w+": "json_object or json_image",
    r"\b(?:as|to)\s+(?:text|jsonb|bytea|timestamptz|double precision)\b": CASTS,
    r"\bas\s+numeric\s*\)": "as_numeric",
    r"\bnumeric\s+'": "is_below_infinity",
    r"\b(?:timestamptz|regclass|bytea)\b(?!'\))\s*'": "moment_literal",
    r"'-?infinity'": "beginning_of_time",
    r"\bat\s+time\s+zone\b": "utc_day or utc_midnight",
    r"\bextract\s*\(\s*epoch\b": "seconds_between or microseconds_of",
    r"\*\s*interval\b": "hours_times",
    r"\bdistinct\s+on\b": "first_of_each",
    r"\(\s*values\b": "rows_of",
    r"\bgenerate_series\b": "numbers_between or days_between",
    r"\bunnest\s*\(|\barray\s*\[": "rows_of",
    r"\boffset\s+0\b": "planned_apart",
    r"\blimit\s+1\s*\)\s*as\b": "first_match",
    r"\bdiv\s*\(": "whole_quotient",
    r"\bE'": "control_text",
    r"\b(?:encode|decode|convert_to)\s*\(": "hex_of_text",
    r"\bcollate\b": "byte_order",
    r"\)\s*[<>]=?\s*\(\w+\.": "row_value",
    r"\(\w+\.\w+\)\.\w": "a struct's column, by a macro of macros/engine",
    r"\bdo\s+\$|\bctid\b|\bon\s+conflict\b|\bnum_(?:non)?nulls\b": STATEMENT,
    r"\bpg_\w+|\bto_reg\w+|\bset\s+(?:local|role)\b|\bfor\s+(?:share|update)\b": STATEMENT,
    r"\b(?:postgres|spark)__|\badapter='": "its name without the engine, or the engine's folder",
}
_COMMENTS = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)
_ANY = re.compile("|".join(f"(?P<p{n}>{each})" for n, each in enumerate(SPELLINGS)), re.IGNORECASE)


def problems(root: Path, allowed: Sequence[str] = NOT_YET) -> list[str]:
    """A line for each spelling of one engine outside macros/engine, and for each of `allowed` that
    has none.
    """
    found = []
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.sql")):
            name = file.relative_to(root)
            if ENGINE in name.parents:
                continue
            here = list(spellings(file.read_text(encoding="utf-8")))
            if str(name) not in allowed:
                found += [f"{name}:{line}: {text!r}: use {use}" for line, text, use in here]
            elif not here:
                found.append(f"{name} spells no engine any more: take it out of NOT_YET")
    gone = [name for name in allowed if not (root / name).exists()]
    return found + [f"{name} is gone: take it out of NOT_YET" for name in gone]


def spellings(text: str) -> Iterator[tuple[int, str, str]]:
    """Of each spelling of one engine in a template: line, what stands there, what to use."""
    # Line breaks stay, for the numbers of lines.
    bare = _COMMENTS.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    uses = list(SPELLINGS.values())
    for match in _ANY.finditer(bare):
        line = bare.count("\n", 0, match.start()) + 1
        yield line, match[0], uses[int(match.lastgroup[1:])]
