"""The book of persons: what identifies somebody is landed as a token, and is in the book alone.

For tables with columns marked `personal` (catalogue) landing reads each event, writes a random
token in the place of each marked value, and token and value into staging_pii.identity, in the
transaction of the events. Forgetting a person deletes the person's rows there. Whoever was
forgotten and is sent again gets the same person's token, and tokens that stand for nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import catalogue
from ingest.faults import IngestError

# How a token looks. Whoever is in the book has one as `person` too, which is the document's.
TOKEN = re.compile(r"~[0-9a-f]{32}")
# What stands for a long value that an update left alone; the macro unavailable_value has it too.
UNAVAILABLE = "__debezium_unavailable_value"
# What a change event is made of; whatever else may hold a person's values.
_MEMBERS = frozenset(("before", "after", "source", "op", "transaction", "ts_ms", "ts_us", "ts_ns"))
_IMAGES = ("before", "after")
# Whose values are those of an event that names no document.
_NOBODY = b""
_KINDS = frozenset(("text", "jsonb"))


class Unfit(ValueError):
    """An event of which nobody can say where its personal values are. The text has none of them."""


class Tokened(NamedTuple):
    """A record as it is landed. `original` is the one that came."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    original: Any


@dataclass
class _Image:
    """A row in an event: the document that it names, and its other marked values by column."""

    row: dict[str, Any]
    document: str | None
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class _Event:
    record: Any
    content: Any
    images: list[_Image]


def fingerprint(key: str) -> bytes:
    """What the warehouse keeps of the key, to know it again."""
    return hashlib.sha256(b"fingerprint\0" + key.encode()).digest()


class Book:
    """Writes tokens by the key of one stack. Nothing is kept between two calls: whether somebody is
    forgotten is asked each time.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def check(self, cursor) -> None:
        """IngestError where the warehouse's book was written with another key."""
        cursor.execute("SELECT fingerprint FROM staging_pii.book_key")
        found = cursor.fetchone()
        if found is None:
            cursor.execute(
                "INSERT INTO staging_pii.book_key (is_only, fingerprint) VALUES (true, %s)"
                " ON CONFLICT DO NOTHING",
                (fingerprint(self._key.decode()),),
            )
            cursor.execute("SELECT fingerprint FROM staging_pii.book_key")
            found = cursor.fetchone()
        if bytes(found[0]) != fingerprint(self._key.decode()):
            raise IngestError(
                "The book of persons (staging_pii.identity) was written with another key than"
                " AIRLINE_INGEST_IDENTITY_KEY has: everybody would become a second person. Put the"
                " stack's file secrets/identity_key back. Nothing was landed."
            )

    def lookup(self, kind: str, value: str, person: str = "") -> str:
        """By what a value is found, in hexadecimal: nobody gets it without the key. `person`: of
        whom it is; a document stands for itself.
        """
        return self._lookup(kind, value.encode(), person.encode())

    def _lookup(self, kind: str, value: bytes, person: bytes) -> str:
        message = b"\0".join((kind.encode(), person, value))
        return hmac.digest(self._key, message, "sha256").hex()

    def tokened(
        self, cursor, table: catalogue.Table, records: Sequence[Any], *, keep_tokens: bool = False
    ) -> tuple[list[Any], list[tuple[Any, str]]]:
        """(the records with tokens for what is marked, in their order; those that are unfit, each
        with the reason). `keep_tokens`: what is a token already stays, for events that were landed
        once; of those that come from outside nothing is believed.
        """
        landing: list[Any] = []
        unfit: list[tuple[Any, str]] = []
        for record in records:
            try:
                landing.append(_read(record, table))
            except Unfit as error:
                unfit.append((record, str(error)))
        images = [
            image
            for event in landing
            for image in event.images
            if image.document is not None or image.values
        ]
        if images:
            # Whoever forgets somebody holds this off, and it is read after that.
            cursor.execute("LOCK TABLE staging_pii.identity IN ROW EXCLUSIVE MODE")
            self._replace(cursor, table, images, keep_tokens)
        return [_written(event) for event in landing], unfit

    def _replace(
        self, cursor, table: catalogue.Table, images: list[_Image], keep_tokens: bool
    ) -> None:
        owner = table.person
        documents = {image.document for image in images}
        persons: dict[str | None, str] = {}
        if keep_tokens:
            persons = {each: each for each in documents if _is_token(each)}
            documents -= persons.keys()
            for image in images:
                image.values = {
                    column: value
                    for column, value in image.values.items()
                    if not _is_token(_text(table, column, value))
                }
        written, forgotten = self._persons(cursor, owner, documents)
        if persons:
            cursor.execute("SELECT person FROM staging_pii.forgotten")
            forgotten |= {person for (person,) in cursor}
        persons |= written
        tokens = self._rests(
            cursor,
            {
                (persons[image.document], column, value)
                for image in images
                for column, value in image.values.items()
            },
            forgotten,
        )
        for image in images:
            person = persons[image.document]
            if image.document is not None:
                image.row[owner] = person
            for column, value in image.values.items():
                token = tokens[person, column, value]
                image.row[column] = (
                    json.dumps(token) if table.modelled[column] == "jsonb" else token
                )

    def _persons(
        self, cursor, kind: str, documents: Iterable[str | None]
    ) -> tuple[dict[str | None, str], set[str]]:
        """(document -> person, the forgotten among them); who is not in the book is written."""
        lookups = {
            document: self._lookup(kind, _NOBODY if document is None else document.encode(), b"")
            for document in documents
        }
        found, forgotten = self._known(cursor, kind, lookups.values())
        new = [
            (lookups[document], kind, person, person, document)
            for document in lookups
            if lookups[document] not in found
            for person in (_new(),)
        ]
        if new:
            found |= _write(cursor, new)
            if any(lookup not in found for lookup, *_ in new):
                # Another ingester was faster.
                again, _ = self._known(cursor, kind, [lookup for lookup, *_ in new])
                found |= again
        return {document: found[lookup] for document, lookup in lookups.items()}, forgotten

    @staticmethod
    def _known(cursor, kind: str, lookups: Iterable[str]) -> tuple[dict[str, str], set[str]]:
        cursor.execute(
            "WITH asked AS (SELECT decode(unnest(%s::text[]), 'hex') AS lookup)"
            " SELECT encode(lookup, 'hex'), person, false FROM asked"
            " INNER JOIN staging_pii.identity USING (lookup) WHERE kind = %s"
            " UNION ALL SELECT encode(lookup, 'hex'), person, true FROM asked"
            " INNER JOIN staging_pii.forgotten USING (lookup)",
            (list(lookups), kind),
        )
        rows = cursor.fetchall()
        return (
            {lookup: person for lookup, person, _ in rows},
            {person for _, person, is_forgotten in rows if is_forgotten},
        )

    def _rests(
        self, cursor, rests: Iterable[tuple[str, str, str]], forgotten: set[str]
    ) -> dict[tuple[str, str, str], str]:
        """(person, kind, value) -> token, of what is no document."""
        tokens, lookups = {}, {}
        for person, kind, value in rests:
            if person in forgotten:
                tokens[person, kind, value] = _new()
            else:
                lookups[person, kind, value] = self._lookup(kind, value.encode(), person.encode())
        if not lookups:
            return tokens
        cursor.execute(
            "SELECT encode(lookup, 'hex'), token FROM staging_pii.identity"
            " INNER JOIN (SELECT decode(unnest(%s::text[]), 'hex') AS lookup) AS asked"
            " USING (lookup)",
            (list(lookups.values()),),
        )
        found = dict(cursor.fetchall())
        new = [
            (lookup, kind, person, _new(), value)
            for (person, kind, value), lookup in lookups.items()
            if lookup not in found
        ]
        if new:
            found |= _write(cursor, new)
            if missing := [lookup for lookup, *_ in new if lookup not in found]:
                cursor.execute(
                    "SELECT encode(lookup, 'hex'), token FROM staging_pii.identity"
                    " WHERE lookup IN (SELECT decode(unnest(%s::text[]), 'hex'))",
                    (missing,),
                )
                found |= dict(cursor.fetchall())
        return tokens | {each: found[lookup] for each, lookup in lookups.items()}


def _write(cursor, rows: list[tuple[str, str, str, str, str | None]]) -> dict[str, str]:
    """Lookup -> token of the rows that were not there. In one order, so that two ingesters wait for
    each other and none for ever.
    """
    cursor.execute(
        "INSERT INTO staging_pii.identity (lookup, kind, person, token, value)"
        " SELECT decode(lookup, 'hex'), kind, person, token, value"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
        " AS new (lookup, kind, person, token, value) ORDER BY lookup"
        " ON CONFLICT DO NOTHING RETURNING encode(lookup, 'hex'), token",
        tuple(map(list, zip(*rows, strict=True))),
    )
    return dict(cursor.fetchall())


def unsupported(table: catalogue.Table) -> str:
    """Why landing cannot keep what is marked of a table out of `staging`; "" where it can."""
    if table.person not in table.personal:
        return "names in `personal` whose values they are not: `person` is one of these columns"
    if keys := sorted(set(table.personal) & set(table.key)):
        return f"has {', '.join(keys)} in its key, and keys land as they are"
    kinds = {column: table.modelled.get(column) for column in table.personal}
    if other := sorted(column for column, kind in kinds.items() if kind not in _KINDS):
        return f"has a type other than text and jsonb in {', '.join(other)}: a token is a text"
    if kinds[table.person] != "text":
        return f"has no text in {table.person}"
    return ""


def blurred(table: catalogue.Table | None, content: Any) -> Any:
    """An event without what is in the place of a person's values: the one that came and the one
    that landed are equal then. `content` is changed.
    """
    if table is None or not table.personal or type(content) is not dict:
        return content
    for name in _IMAGES:
        row = content.get(name)
        if type(row) is dict:
            for column in table.personal:
                if _tells(row.get(column)):
                    row[column] = True
    return content


def _tells(value: Any) -> bool:
    """Whether a value of a marked column says anything of anybody."""
    return value not in (None, "", UNAVAILABLE)


# -- events ---------------------------------------------------------------------------------------


def _read(record: Any, table: catalogue.Table) -> _Event:
    """Raises Unfit."""
    if record.key is not None:
        _check_key(record.key, table)
    if record.value is None:
        return _Event(record, None, [])
    content = _json(record.value)
    if type(content) is not dict:
        raise Unfit("is no change event: JSON, and no object")
    if not content.keys() <= _MEMBERS:
        raise Unfit("is no change event: has members that no change event has")
    images = []
    for name in _IMAGES:
        row = content.get(name)
        if row is None:
            continue
        if type(row) is not dict:
            raise Unfit(f"{name} is no JSON object")
        images.append(_image(row, name, table))
    return _Event(record, content, images)


def _image(row: dict[str, Any], name: str, table: catalogue.Table) -> _Image:
    image = _Image(row, None)
    for column in table.personal:
        value = row.get(column)
        if not _tells(value):
            continue
        if type(value) is not str:
            raise Unfit(f"{name}.{column} is no text")
        if "\0" in value:
            raise Unfit(f"{name}.{column} has a character that no text of PostgreSQL has")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unfit(f"{name}.{column} has half of a character") from None
        if column == table.person:
            image.document = value
        else:
            if table.modelled[column] == "jsonb":
                try:
                    _check_document(value)
                except (ValueError, RecursionError):
                    raise Unfit(f"{name}.{column} is no JSON that jsonb takes") from None
            image.values[column] = value
    return image


def _check_document(text: str) -> None:
    """ValueError for what is no JSON, or has characters that no text of PostgreSQL has."""
    content = _DOCUMENT.decode(text)
    if "\\u" in text:
        for each in _texts(content):
            each.encode()
            if "\0" in each:
                raise ValueError("a character that no text of PostgreSQL has")


def _texts(content: Any) -> Iterator[str]:
    if type(content) is str:
        yield content
    elif type(content) is dict:
        for name, each in content.items():
            yield name
            yield from _texts(each)
    elif type(content) is list:
        for each in content:
            yield from _texts(each)


def _check_key(key: bytes, table: catalogue.Table) -> None:
    if (
        key[:1] == b"{"
        and b"\\" not in key
        and not any(name.encode() in key for name in table.personal)
    ):
        return  # as a rule: nothing in it that has such a name
    content = _json(key)
    if content is not None and (type(content) is not dict or content.keys() & {*table.personal}):
        raise Unfit("has a key that is not the table's primary key, and may be of a person")


# What stands for a number with a fraction until the event is written again: it stays as it came.
_NUMBER = f"\0{secrets.token_hex(8)}:"
_WRITTEN = json.dumps(_NUMBER)[:-1]
_NUMBERS = re.compile(re.escape(_WRITTEN) + r'([^"]*)"')


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Made once: to make one takes longer than to read an event.
_EVENT = json.JSONDecoder(parse_float=_NUMBER.__add__, parse_constant=_refuse)
_DOCUMENT = json.JSONDecoder(parse_constant=_refuse)
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _json(content: bytes) -> Any:
    try:
        return _EVENT.decode(content.decode())
    except (ValueError, RecursionError):
        raise Unfit("is no JSON") from None


def _written(event: _Event) -> Any:
    """The record to land: the same one where nothing is in the place of anything."""
    record = event.record
    if not event.images:
        return record
    text = _WRITER.encode(event.content)
    if _WRITTEN in text:
        text = _NUMBERS.sub(lambda found: found[1], text)
    return Tokened(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        # Half of a character, elsewhere than in a marked value: jsonb refuses it.
        text.encode("utf-8", "surrogatepass"),
        record,
    )


def _new() -> str:
    return "~" + secrets.token_hex(16)


def _is_token(value: str | None) -> bool:
    return value is not None and TOKEN.fullmatch(value) is not None


def _text(table: catalogue.Table, column: str, value: str) -> str | None:
    """The text that a value is, of a document of JSON the text that this is."""
    if table.modelled[column] != "jsonb":
        return value
    content = json.loads(value)
    return content if type(content) is str else None
