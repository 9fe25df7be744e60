"""The bill of materials: every part that comes from elsewhere is in it, as others can read it."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest
from referencing import Registry, Resource

from infra.settings import ROOT
from infra.supply import parts, sbom
from infra.supply.parts import Part


def test_a_lock_is_read_with_markers_extras_and_hashes() -> None:
    """A package would be missing from the bill, or stand there without what proves its files."""
    one, two = "1" * 64, "2" * 64
    text = (
        "# by uv\n"
        f"cachecontrol[filecache]==0.14.4 \\\n    --hash=sha256:{one} \\\n    --hash=sha256:{two}\n"
        "    # via pip-audit\n"
        f"tomli==2.5.0 ; python_full_version < '3.13' \\\n    --hash=sha256:{two}\n"
    )
    assert list(parts.read_lock(text)) == [
        ("cachecontrol", "0.14.4", (one, two)),
        ("tomli", "2.5.0", (two,)),
    ]


@pytest.mark.parametrize("lock", parts.PRODUCT_LOCKS)
def test_every_package_of_a_lock_is_found_with_a_hash(lock: str) -> None:
    """A lock whose form has changed would give a bill with holes."""
    text = parts.lock_file(lock).read_text()
    found = list(parts.read_lock(text))
    assert len(found) == sum("==" in line for line in text.splitlines() if line[:1].isalnum())
    assert all(digests for _, _, digests in found)


def test_the_locks_of_the_product_are_all_but_those_of_its_makers() -> None:
    """A new lock would be missing from the bill."""
    there = {file.stem for file in (ROOT / "requirements").glob("*.txt")}
    assert there == {*parts.PRODUCT_LOCKS, "test", "supply"}


def test_jars_are_named_by_group_and_what_a_plugin_carries_is_inside() -> None:
    """A list of vulnerabilities knows a jar by its group, name and version alone."""
    found = {sbom.purl(part).to_string(): part for part in parts.jars()}
    assert "pkg:maven/org.apache.kafka/kafka-clients@4.3.1" in found
    (plugin,) = [part for part in found.values() if part.inside]
    assert {part.group for part in plugin.inside} >= {"io.debezium", "org.postgresql"}
    assert all(len(part.digests) == 1 for part in (*found.values(), *plugin.inside))


def test_the_document_is_cyclonedx() -> None:
    """Another program could not read it."""
    carried = Part("maven", "postgresql", "42.7.13", "org.postgresql", ("a" * 64,))
    listed = [
        Part("pypi", "requests", "2.34.2", "", ("b" * 64, "c" * 64), ("core", "superset")),
        Part("maven", "connector", "3.7.0", "io.debezium", ("d" * 64,), ("connect",), (carried,)),
        # The same jar once more, by itself: a reference may stand in a document only once.
        carried,
    ]
    document = json.loads(sbom.document(listed))
    schemas = resources.files("cyclonedx.schema") / "_res"
    known = {
        name: Resource.from_contents(json.loads((schemas / file).read_text()))
        for name, file in (
            ("http://cyclonedx.org/schema/spdx.schema.json", "spdx.SNAPSHOT.schema.json"),
            ("http://cyclonedx.org/schema/jsf-0.82.schema.json", "jsf-0.82.SNAPSHOT.schema.json"),
        )
    }
    jsonschema.Draft7Validator(
        json.loads((schemas / "bom-1.6.SNAPSHOT.schema.json").read_text()),
        registry=Registry().with_resources(known.items()),
    ).validate(document)
    by_purl = {each["purl"]: each for each in document["components"]}
    assert by_purl.keys() == {
        "pkg:pypi/requests@2.34.2",
        "pkg:maven/io.debezium/connector@3.7.0",
        "pkg:maven/org.postgresql/postgresql@42.7.13",
    }
    wheel = by_purl["pkg:pypi/requests@2.34.2"]
    assert len(wheel["externalReferences"][0]["hashes"]) == 2
    assert [each["value"] for each in wheel["properties"]] == ["core", "superset"]
    (inside,) = by_purl["pkg:maven/io.debezium/connector@3.7.0"]["components"]
    assert inside["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
