"""The bill of materials as CycloneDX 1.6 in JSON, by its own library."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from infra.settings import ROOT
from infra.supply.parts import Part


def document(parts: Iterable[Part]) -> str:
    """The parts as a CycloneDX document; one who makes it twice gets another serial number only."""
    bom = Bom(components=[_component(part) for part in parts])
    bom.metadata.component = _product()
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def purl(part: Part) -> PackageURL:
    """The package URL, by which lists of vulnerabilities know a part."""
    return PackageURL(part.kind, part.group or None, part.name, part.version)


def _product() -> Component:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text()).get("project", {})
    return Component(
        name=told.get("name", "airline"),
        version=told.get("version"),
        type=ComponentType.APPLICATION,
        bom_ref="product",
    )


def _component(part: Part, within: str = "") -> Component:
    """`within` is the reference of the part that carries this one: another may carry it too."""
    url = purl(part)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in part.digests]
    # A lock allows one of several files: they are places to get it from, and none is the part.
    places = (
        [
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION, url=XsUri(str(url)), hashes=hashes
            )
        ]
        if len(hashes) > 1
        else []
    )
    reference = "/".join(filter(None, (within, str(url))))
    return Component(
        name=part.name,
        version=part.version,
        group=part.group or None,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=reference,
        hashes=[] if places else hashes,
        external_references=places,
        properties=[Property(name="airline:needed-by", value=name) for name in part.needed_by],
        components=[_component(each, reference) for each in part.inside],
    )
