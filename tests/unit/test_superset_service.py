"""What Superset's service takes into account when it decides on a restart."""

from __future__ import annotations

from infra.settings import Settings
from infra.superset.services import Superset


def test_its_files_are_there(tmp_path):
    """`up` ends with a FileNotFoundError as soon as it comes to Superset."""
    service = Superset(Settings.from_environment({"AIRLINE_HOME": str(tmp_path)}))
    made, configured = service._marks()
    assert made != configured
