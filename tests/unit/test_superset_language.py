"""The dashboards in Russian and in English: all of each, and the way back."""

from __future__ import annotations

import copy

import pytest

from infra.errors import AirlineError
from infra.settings import ROOT, Settings
from infra.superset import assets, chain, language, queries

BUNDLE = assets.read()


def test_every_text_has_its_english():
    """A dashboard in English has a title in Russian in it."""
    known = language.words()
    assert list(language.problems(BUNDLE, known)) == []
    english = language.to(language.ENGLISH, BUNDLE, known)
    assert [text for asset in english.values() for text in language.texts(asset)] == []


def test_every_english_text_is_used():
    """The list of words grows with what no file says any more."""
    used = {text for asset in BUNDLE.values() for text in language.texts(asset)}
    assert language.words().keys() - used == set()


def test_descriptions_are_russian():
    """Somebody who reads Russian gets a help text in English."""
    described = [
        (name, each["description"])
        for name, asset in BUNDLE.items()
        for each in (asset, *asset.get("metadata", {}).get("native_filter_configuration", []))
        if each.get("description")
    ]
    assert described
    assert [name for name, text in described if not list(language.texts(text))] == []


def test_an_export_in_english_gives_the_russian_files():
    """One small change in the UI of an English stack rewrites every file."""
    known = language.words()
    english = language.to(language.ENGLISH, BUNDLE, known)
    for name, asset in BUNDLE.items():
        assert language.back(language.ENGLISH, english[name], known) == asset, name


def test_an_import_is_in_the_language_that_was_set():
    """The setting changes Superset's words and leaves the titles."""
    title = {
        given: assets.for_import(BUNDLE, Settings.from_environment({"AIRLINE_LANGUAGE": given}))[
            "dashboards/airports.yaml"
        ]
        for given in (language.RUSSIAN, language.ENGLISH)
    }
    assert "dashboard_title: Аэропорты" in title[language.RUSSIAN]
    assert "dashboard_title: Airports" in title[language.ENGLISH]


def test_the_language_and_the_logins_decide_on_an_import():
    """`up` with another language, or another password, changes nothing."""
    digests = {
        assets.digest(Settings.from_environment(given))
        for given in (
            {},
            {"AIRLINE_LANGUAGE": "en"},
            {"AIRLINE_SUPERSET_MANAGER_PASSWORD": "another"},
            {"AIRLINE_SUPERSET_ANALYST_PASSWORD": "another"},
        )
    }
    assert len(digests) == 4


def test_of_an_expression_only_its_texts_are_translated():
    """A column's name is translated, and the query fails."""
    known = {"летают": "fly", "имя": "name"}
    asset = {"expression": "CASE имя WHEN 'летают' THEN 'it''s' END", "verbose_name": "имя"}
    [found] = language.to(language.ENGLISH, {"x": asset}, known).values()
    assert found == {"expression": "CASE имя WHEN 'fly' THEN 'it''s' END", "verbose_name": "name"}


def test_a_text_without_english_is_told():
    """It is found by whoever opens the dashboard in English."""
    bundle = copy.deepcopy(BUNDLE)
    bundle["charts/flyers.yaml"]["slice_name"] = "Название, которого нет в списке"
    lines = chain.problems(bundle, ROOT)
    assert [line for line in lines if "«Название, которого нет в списке» has no English" in line]


def test_one_english_text_for_two_is_refused(tmp_path):
    """An export would have to guess which of the two was meant."""
    (tmp_path / language.FILE).write_text("рейс: flight\nполет: flight\n")
    with pytest.raises(AirlineError, match="«flight» for «рейс» and for «полет»"):
        language.words(tmp_path)


def test_superset_keeps_its_own_russian():
    """Our word takes the place of one that Superset's translators chose."""
    pack = {"locale_data": {"superset": {"Search by": ["Найти по"], "Selected": None}}}
    language.complete(pack)
    words = pack["locale_data"]["superset"]
    assert words["Search by"] == ["Найти по"] and words["Selected"] == ["Выбрано"]
    assert len(words["%s record..."]) == 3


def test_the_docs_three_questions_are_saved_in_either_language():
    """SQL Lab has fewer questions than the docs, or other SQL."""
    page = (ROOT / queries.PAGE).read_text()
    for given in (language.RUSSIAN, language.ENGLISH):
        found = queries.questions(given, ROOT)
        assert len(found) == 3
        assert all(each.sql in page and each.sql.startswith("select") for each in found)
    english, russian = (queries.questions(given, ROOT) for given in ("en", "ru"))
    assert not {each.title for each in english} & {each.title for each in russian}
