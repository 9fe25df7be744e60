"""`sbom`: what the product is made of, and what is known to be wrong with its parts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.errors import AirlineError
from infra.settings import Settings
from infra.stack import certificates, venv
from infra.supply import parts
from infra.supply.parts import Part


def sbom(settings: Settings, options: argparse.Namespace) -> int:
    """Writes the bill of materials, or, with `check`, tells known vulnerabilities: 1 where there
    are such, or a part that nobody told of.
    """
    if venv.main(["supply"]):
        return 1
    # Their packages have only just been put there.
    from infra.supply import sbom as bill
    from infra.supply import vulnerabilities

    found = parts.everything(settings)
    if options.check:
        return _check(found, options.osv or vulnerabilities.OSV)
    text = bill.document(found)
    if options.output is None:
        print(text)
    else:
        _write(options.output, text)
        inside = sum(len(part.inside) for part in found)
        print(f"{options.output}: {len(found)} parts, and {inside} inside of them")
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(f"{text}\n")
    except OSError as error:
        raise AirlineError(
            f"cannot write {file} ({error.strerror})", "name a file in a folder that is there"
        ) from None


def _check(found: list[Part], server: str) -> int:
    from infra.supply import vulnerabilities

    certificates.use_the_systems()

    def say(line: str) -> None:
        print(f"airline: {line}", file=sys.stderr)

    locks = [parts.lock_file(lock) for lock in parts.PRODUCT_LOCKS]
    maven = [part for part in found if part.kind == "maven"]
    # The archive of a plugin is no part of its own: what is in it was published by itself.
    every_jar = [each for part in maven for each in (part.inside or (part,))]
    answers = [
        vulnerabilities.of_wheels(locks, server.rstrip("/"), say),
        vulnerabilities.of_jars(every_jar, server.rstrip("/"), say),
    ]
    known = [flaw for answer in answers for flaw in answer.known]
    not_asked = [line for answer in answers for line in answer.not_asked]
    for flaw in known:
        mended = f"mended in {', '.join(flaw.mended_in)}" if flaw.mended_in else "not mended yet"
        print(f"{flaw.part} {flaw.version}: {flaw.identity}, {mended}")
    for line in not_asked:
        print(f"nothing was told of {line}")
    for part in (each for whole in found for each in (whole, *whole.inside)):
        # In no registry of packages, so that no list has it by a package URL.
        if part.kind == "generic":
            print(f"{part.name} {part.version}: see its maker's own list")
    asked = sum(answer.asked for answer in answers)
    print(f"{asked} parts asked about, {len(known)} vulnerabilities known")
    return 1 if known or not_asked else 0
