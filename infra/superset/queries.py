"""The worked questions of the docs as saved queries of SQL Lab."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from infra.errors import AirlineError
from infra.superset.language import RUSSIAN

# Where each question stands once: its title, what it is about, its SQL.
PAGE = Path("models") / "overview.md"
_QUESTION = re.compile(
    r"\*\*\d+\. (?P<title>[^*]+)\*\* (?P<about>.*?)\n\n```sql\n(?P<sql>.*?)```", re.S
)
# Title and text in Russian.
IN_RUSSIAN = {
    "What did we report?": (
        "Что мы сообщали?",
        "Пунктуальность сегодняшнего дня, какой ее видел каждый, кто смотрел за последние два "
        "часа: строка на каждые десять минут.",
    ),
    "What was sold and given back?": (
        "Что было продано и возвращено?",
        "Кривая бронирования рейса, с которого вернули больше всего мест: проданное видно, пока "
        "оно не возвращено.",
    ),
    "What changed since then?": (
        "Что изменилось за час?",
        "Рейсы, загрузка которых иная, чем была час назад, с обеими цифрами.",
    ),
}


@dataclass(frozen=True)
class Question:
    title: str
    about: str
    sql: str


def questions(language: str, root: Path) -> list[Question]:
    """The questions in their order. Raises AirlineError where the page has one without Russian."""
    found = []
    for each in _QUESTION.finditer((root / PAGE).read_text()):
        title, about = each["title"], " ".join(each["about"].split())
        if title not in IN_RUSSIAN:
            raise AirlineError(
                f"{PAGE} asks «{title}», and infra/superset/queries.py has no Russian for it",
                "add it to IN_RUSSIAN there",
            )
        if language == RUSSIAN:
            title, about = IN_RUSSIAN[title]
        found.append(Question(title, about, each["sql"].strip()))
    return found
