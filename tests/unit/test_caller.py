"""What of the caller's environment reaches this project's processes."""

from __future__ import annotations

from infra.stack import caller


def test_no_variable_of_libpq_stays_and_no_other_goes():
    """PGHOSTADDR would send a load to another machine, or PATH would be lost."""
    environ = {"PGHOSTADDR": "192.0.2.1", "PGSERVICE": "other", "PATH": "/bin", "PGADMIN": "mine"}
    caller.clean(environ)
    assert environ.keys() - {"no_proxy", "NO_PROXY"} == {"PATH", "PGADMIN", "PGREQUIREAUTH"}


def test_loopback_needs_no_proxy_and_what_the_caller_excepts_stays_excepted():
    """A service that runs would be asked through a proxy, which cannot reach it."""
    environ = {"no_proxy": "intern.example, 10.0.0.1", "NO_PROXY": "other.example"}
    caller.clean(environ)
    caller.clean(environ)
    expected = "127.0.0.1,localhost,::1,intern.example,10.0.0.1,other.example"
    assert (environ["no_proxy"], environ["NO_PROXY"]) == (expected, expected)


def test_the_address_that_the_stack_listens_on_needs_no_proxy():
    """With AIRLINE_HOST on another loopback address the services would be asked through it."""
    environ = {"AIRLINE_HOST": "127.0.0.2"}
    caller.clean(environ)
    assert "127.0.0.2" in environ["no_proxy"].split(",")


def test_a_load_of_our_own_is_not_made_another_by_dbts_variables():
    """DBT_FULL_REFRESH of a person's shell would read the whole history again at each `up`."""
    environ = {"DBT_FULL_REFRESH": "1", "DBT_TARGET_PATH": "/there", "PATH": "/bin"}
    kept = caller.without_dbt_options(environ)
    assert kept == {"DBT_TARGET_PATH": "/there", "PATH": "/bin"}
