"""How benchmarks say what they found: tables for people, JSON and a picture for the repository."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"


def say(text: str) -> None:
    """Progress, beside the results."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "memory GiB": round(memory),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        # Benchmarks of a busy machine are worth what their ratios are worth.
        "load average at the start": round(os.getloadavg()[0], 1),
    }


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, the first to the left."""
    widths = [max(len(row[n]) for row in [heads, *rows]) for n in range(len(heads))]
    for row in [heads, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print("  ".join(cells))


def keep(name: str, results: Mapping[str, Any]) -> None:
    """Writes docs/benchmarks/<name>.json."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.json"
    file.write_text(json.dumps(_rounded(results), indent=1, ensure_ascii=False) + "\n")
    say(f"kept in {file}")


def bars(name: str, title: str, groups: Mapping[str, Mapping[str, float]], unit: str) -> None:
    """Draws docs/benchmarks/<name>.svg: bars by group, scaled to the group's longest."""
    row, label, width = 24, 230, 430
    parts: list[str] = []
    y = 46
    for group, values in groups.items():
        parts.append(f'<text x="12" y="{y}" font-weight="bold">{group}</text>')
        y += 12
        longest = max(values.values())
        for text, value in values.items():
            length = max(1, round(width * value / longest))
            parts.append(f'<text x="{label - 8}" y="{y + 14}" text-anchor="end">{text}</text>')
            parts.append(
                f'<rect x="{label}" y="{y + 2}" width="{length}" height="16" fill="#4c78a8"/>'
            )
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            parts.append(f'<text x="{label + length + 6}" y="{y + 14}">{shown} {unit}</text>')
            y += row
        y += 24
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{label + width + 110}" height="{y}"'
        ' font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n<text x="12" y="22" font-size="16">'
        f"{title}</text>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    return value
