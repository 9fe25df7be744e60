"""The dashboards in the stack's language: Russian, as their files say it, or English.

assets/english.yml has the English of each Russian text. An import in English puts it in the text's
place, and an export puts the Russian back, so the files are the same in both languages. A text is a
value or a key with a Cyrillic letter in it; of an SQL expression, each of its literals.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.errors import AirlineError
from infra.superset.canonical import Bundle

RUSSIAN, ENGLISH = "ru", "en"
FILE = "english.yml"
FOLDER = Path(__file__).with_name("assets")
MISSING = Path(__file__).with_name("russian.yml")
_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")


def words(folder: Path = FOLDER) -> dict[str, str]:
    """Russian text -> English text. Raises AirlineError where the way back is not clear."""
    found = yaml.safe_load((folder / FILE).read_text())
    seen: dict[str, str] = {}
    for russian, english in found.items():
        if english in seen:
            raise AirlineError(
                f"{folder / FILE} has «{english}» for «{seen[english]}» and for «{russian}»",
                "give them words of their own: an export must know which of the two is meant",
            )
        seen[english] = russian
    return found


def texts(value: Any) -> Iterator[str]:
    """The Russian texts in an asset."""

    def keep(text: str) -> str:
        found.append(text)
        return text

    found: list[str] = []
    _each(value, keep)
    return (each for each in found if _CYRILLIC.search(each))


def problems(bundle: Bundle, known: Mapping[str, str]) -> Iterator[str]:
    """A line for each text that an import in English would leave in Russian."""
    for name, asset in bundle.items():
        for text in sorted(set(texts(asset)) - known.keys()):
            yield f"{name}: «{text}» has no English in {FOLDER.name}/{FILE}"


def to(language: str, bundle: Bundle, known: Mapping[str, str]) -> Bundle:
    """The bundle as people of that language see it."""
    if language == RUSSIAN:
        return bundle
    return {
        name: _each(asset, lambda text: known.get(text, text)) for name, asset in bundle.items()
    }


def back(language: str, asset: Any, known: Mapping[str, str]) -> Any:
    """An asset that `to` made, in Russian again."""
    if language == RUSSIAN:
        return asset
    russian = {english: text for text, english in known.items()}
    return _each(asset, lambda text: russian.get(text, text))


def complete(pack: dict[str, Any]) -> None:
    """Adds what Superset's Russian translation lacks to `pack`, its own in its own form."""
    own = pack["locale_data"]["superset"]
    for word, forms in yaml.safe_load(MISSING.read_text()).items():
        if not any(own.get(word) or []):
            own[word] = forms


def install(app: Any) -> None:
    """Gives the page its words, those that Superset's Russian lacks among them, before somebody has
    logged in too; for its FLASK_APP_MUTATOR.
    """
    from flask import Response, request

    @app.before_request
    def give() -> Response | None:
        asked = request.view_args or {}
        if request.endpoint != "Superset.language_pack" or asked.get("lang") != RUSSIAN:
            return None
        from superset.translations.utils import get_language_pack

        pack = copy.deepcopy(get_language_pack(RUSSIAN))
        complete(pack)
        answer = Response(json.dumps(pack), mimetype="application/json")
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _each(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """A copy of `value` with every text in it changed."""
    if isinstance(value, dict):
        return {
            change(each) if isinstance(each, str) else each: _each(below, change, str(each))
            for each, below in value.items()
        }
    if isinstance(value, list):
        return [_each(each, change, key) for each in value]
    if not isinstance(value, str):
        return value
    if key == "expression":
        return _LITERAL.sub(lambda found: f"'{change(found[1])}'", value)
    return change(value)
