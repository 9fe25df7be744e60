"""The authorities that the system trusts: what a company's proxy signs with is among them.

`requests` has a list of its own and does not know them. SSL_CERT_FILE and SSL_CERT_DIR name others.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

# What tells `requests` of another list.
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
TODO = (
    "where a proxy answers with a certificate of its own, its authority belongs into the system's "
    "store, or SSL_CERT_FILE names a file with it"
)


def use_the_systems() -> None:
    """From here on `requests`, and all else in this process, trusts whom the system trusts."""
    import truststore

    truststore.inject_into_ssl()


def for_another_program(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with what makes `requests` of another program trust the same, where that is a file
    and nothing else was said. (macOS keeps no file.)
    """
    file = ssl.get_default_verify_paths().cafile
    if file is None or any(environ.get(name) for name in BUNDLES):
        return dict(environ)
    return {**environ, BUNDLES[0]: file}
