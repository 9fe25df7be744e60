"""Whatever the caller's environment says, `./airline` does its work or refuses by name."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(2700)

# Nobody listens there.
DEAD = "http://127.0.0.1:9"
# whose variables they are -> variable -> a value that must do no harm
HARMLESS = {
    "proxies": {
        "http_proxy": DEAD,
        "HTTP_PROXY": DEAD,
        "https_proxy": DEAD,
        "all_proxy": DEAD,
        "ALL_PROXY": DEAD,
        "no_proxy": "intern.example",
    },
    "libpq": {
        "PGAPPNAME": "другое",
        "PGCHANNELBINDING": "require",
        "PGCLIENTENCODING": "KOI8R",
        "PGCONNECT_TIMEOUT": "x",
        "PGDATABASE": "nowhere",
        "PGDATESTYLE": "German",
        "PGGSSENCMODE": "require",
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGOPTIONS": "-c search_path=pg_catalog",
        "PGPASSWORD": "mistyped",
        "PGPORT": "9",
        "PGREQUIREAUTH": "none",
        "PGREQUIREPEER": "nobody",
        "PGSERVICE": "nowhere",
        "PGSERVICEFILE": "/nowhere",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "standby",
        "PGTZ": "Asia/Kathmandu",
        "PGUSER": "nobody",
    },
    "Python": {
        "PYTHONHOME": "/nowhere",
        "PYTHONINSPECT": "1",
        "PYTHONIOENCODING": "ascii",
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": "/nowhere",
        "PYTHONPLATLIBDIR": "nowhere",
        "PYTHONSTARTUP": "/nowhere",
        "PYTHONWARNINGS": "error",
    },
    "Java and languages": {
        "JAVA_TOOL_OPTIONS": "-Xmx1m",
        "KAFKA_OPTS": "-Xmx1m",
        "LANG": "ru_RU.KOI8-R",
        "LC_ALL": "C",
        "TZ": "Asia/Kathmandu",
    },
    "dbt and pip": {
        "DBT_FULL_REFRESH": "1",
        "DBT_TARGET": "nowhere",
        "DBT_PROFILE": "nowhere",
        "DBT_WARN_ERROR": "1",
        "DBT_LOG_FORMAT": "json",
        "PIP_REQUIRE_VIRTUALENV": "1",
    },
}
ALL = {name: text for family in HARMLESS.values() for name, text in family.items()}


@pytest.mark.parametrize("family", HARMLESS)
def test_variables_do_not_make_a_stack_unwell(stack, family):
    """A person's shell would make every part unknown, or end in a traceback."""
    done = stack.healthy_status(**HARMLESS[family])
    assert done.stdout.rstrip().endswith(f"healthy ({stack.home})")
    assert "unknown" not in done.stdout
    assert "Traceback" not in done.stderr


def test_all_of_them_at_once_do_not_keep_a_load_from_its_work(stack):
    """`up` would wait for services that answer, or a load would read the whole history again."""
    batches = "select count(*) from dwh_control.load_batch where is_full_refresh"
    before = stack.sql("dwh", batches)
    stack.up(**ALL)
    stack.commit("update aircrafts set range = range + 1 where aircraft_code = 'CR2'")
    done = stack.airline("audit", **ALL)
    assert "audit: clean" in done.stdout
    assert stack.sql("dwh", batches) == before
