"""A stranger at the ports of Airflow, Superset and the docs site, too."""

from __future__ import annotations

import pytest

from tests.support import doors

pytestmark = pytest.mark.timeout(2700)


def test_a_stranger_gets_no_data_from_a_port(stack):
    """Whoever is on the machine reads charts, the runs of the DAGs, or connections."""
    persons, secrets = doors.persons(stack), doors.secrets(stack.settings)
    for name in doors.ports(stack.settings):
        knock, may_tell = doors.lock(name)
        got = knock(stack.settings, name)
        assert may_tell or not got, f"{name}: {got[:300]}"
        assert [each for each in persons if each in got] == [], name
        assert [role for role, secret in secrets.items() if secret in got] == [], name
