"""The caller's environment: what of it must not reach the project's own processes.

`./airline` itself takes Python's variables away before it starts Python; the rest is taken here,
once, before anything else runs. Supervised services inherit nothing but PATH, HOME and TMPDIR
(infra/stack/supervision.py).
"""

from __future__ import annotations

from collections.abc import MutableMapping

from infra.settings import PROOF

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Every environment variable that libpq reads. A connection of ours names its server, database and
# role itself; what it does not name (PGHOSTADDR, PGSSLMODE, PGOPTIONS …) has to be the default.
LIBPQ = frozenset(
    f"PG{name}"
    for name in [
        "APPNAME",
        "CHANNELBINDING",
        "CLIENTENCODING",
        "CONNECT_TIMEOUT",
        "DATABASE",
        "DATESTYLE",
        "GEQO",
        "GSSDELEGATION",
        "GSSENCMODE",
        "GSSLIB",
        "HOST",
        "HOSTADDR",
        "KRBSRVNAME",
        "LOADBALANCEHOSTS",
        "LOCALEDIR",
        "MAXPROTOCOLVERSION",
        "MINPROTOCOLVERSION",
        "OPTIONS",
        "PASSFILE",
        "PASSWORD",
        "PORT",
        "REQUIREAUTH",
        "REQUIREPEER",
        "REQUIRESSL",
        "SERVICE",
        "SERVICEFILE",
        "SSLCERT",
        "SSLCERTMODE",
        "SSLCOMPRESSION",
        "SSLCRL",
        "SSLCRLDIR",
        "SSLKEY",
        "SSLKEYLOGFILE",
        "SSLMAXPROTOCOLVERSION",
        "SSLMINPROTOCOLVERSION",
        "SSLMODE",
        "SSLNEGOTIATION",
        "SSLROOTCERT",
        "SSLSNI",
        "SYSCONFDIR",
        "TARGETSESSIONATTRS",
        "TZ",
        "USER",
    ]
)
# Of dbt's variables, those that say where something is or how it is shown. Any other changes what a
# run does (DBT_FULL_REFRESH, DBT_TARGET, DBT_EMPTY …): `./airline dbt` passes it on, a load of this
# project's own does not.
DBT_HARMLESS = frozenset(
    f"DBT_{name}"
    for name in [
        "DEBUG",
        "LOG_LEVEL",
        "LOG_PATH",
        "PACKAGE_HUB_URL",
        "PARTIAL_PARSE",
        "PROFILES_DIR",
        "PROJECT_DIR",
        "SEND_ANONYMOUS_USAGE_STATS",
        "TARGET_PATH",
    ]
)


def clean(environ: MutableMapping[str, str]) -> None:
    """Takes libpq's variables out of `environ`, but for one that has servers show who they are, and
    sees to it that no proxy is asked for loopback or AIRLINE_HOST. Proxies stay for what is
    downloaded.
    """
    for name in LIBPQ & environ.keys():
        del environ[name]
    environ["PGREQUIREAUTH"] = PROOF["require_auth"]
    # Programs differ in which spelling they read, and in which one wins.
    named = ",".join(environ.get(name, "") for name in ("no_proxy", "NO_PROXY")).split(",")
    direct = [*LOOPBACK, environ.get("AIRLINE_HOST", ""), *named]
    text = ",".join(dict.fromkeys(each.strip() for each in direct if each.strip()))
    environ["no_proxy"] = environ["NO_PROXY"] = text


def without_dbt_options(environ: MutableMapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that change what a dbt command does."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("DBT_") or name in DBT_HARMLESS
    }
