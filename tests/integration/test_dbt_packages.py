"""What `dbt deps` brings is put in place whole, or what was there stays, or the stand-in is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.dbt import packages
from infra.errors import AirlineError
from infra.settings import ROOT
from tests.support.dbt_hub import Hub, dbt_hub

pytestmark = pytest.mark.timeout(1800)

HUB, STAND_IN = "0.11.5 from the dbt hub", "stand-in"


class Clone:
    """A fresh clone, as far as packages go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = root / "dbt_packages"
        self.said: list[str] = []

    def put_in_place(self) -> str:
        """Puts packages in place; what it said, '' if all was right."""
        self.said.clear()
        packages.put_in_place(self.said.append)
        return "\n".join(self.said)

    def there(self) -> set[str]:
        """The packages that dbt finds."""
        return {each.name for each in self.place.iterdir() if each.is_dir()}

    def want_others(self) -> None:
        """packages.yml changes, and the lock still fits it."""
        with (self.root / "packages.yml").open("a") as file:
            file.write("# changed\n")


@pytest.fixture
def hub(monkeypatch) -> Iterator[Hub]:
    with dbt_hub() as made:
        monkeypatch.setenv("DBT_PACKAGE_HUB_URL", made.url)
        yield made


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Clone:
    for name in ("packages.yml", "package-lock.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for name, path in {
        "WANTED": "packages.yml",
        "LOCK": "package-lock.yml",
        "PLACE": "dbt_packages",
        "ORIGIN": "dbt_packages/.airline-origin.json",
        "WORK": ".airline-packages",
        "SET_ASIDE": ".airline-packages/before",
        "MET": ".airline-packages/met.json",
        "SUMS": "packages.toml",
    }.items():
        monkeypatch.setattr(packages, name, tmp_path / path)
    return Clone(tmp_path)


def test_all_that_dbt_deps_brings_is_put_in_place(clone, hub):
    """AutomateDV would come without dbt_utils, which it calls: every load fails."""
    assert HUB in clone.put_in_place()
    assert clone.there() == {"automate_dv", "dbt_utils"}
    # Asked once.
    asked = len(hub.asked)
    assert clone.put_in_place() == "" and len(hub.asked) == asked
    # Removed by a person, in part or whole, it is brought again.
    for gone in (clone.place / "dbt_utils", clone.place):
        shutil.rmtree(gone)
        assert HUB in clone.put_in_place()
        assert clone.there() == {"automate_dv", "dbt_utils"}


def test_versions_are_those_of_the_lock(clone, hub):
    """Another version than the committed one would be installed as soon as the hub has it."""
    lock = (clone.root / "package-lock.yml").read_bytes()
    locked, _ = hub.packages["dbt-labs/dbt_utils"]
    hub.versions["dbt-labs/dbt_utils"] = ["1.9.9", locked]
    assert HUB in clone.put_in_place()
    assert [path for path in hub.asked if "tarballs" in path and "1.9.9" in path] == []
    assert (clone.root / "package-lock.yml").read_bytes() == lock


@pytest.mark.parametrize("how", ["broken", "ill"])
def test_a_hub_that_goes_away_half_way_leaves_nothing_by_half(clone, hub, how):
    """One package of two would be in place, and every load fail until somebody removes it."""
    setattr(hub, how, ("tarballs/dbt-labs",))
    said = clone.put_in_place()
    assert any("tarballs/Datavault-UK" in path for path in hub.asked)
    assert STAND_IN in said and "remove dbt_packages" in said
    assert clone.there() == {"automate_dv"}
    # Not asked at each command.
    asked = len(hub.asked)
    assert clone.put_in_place() == "" and len(hub.asked) == asked
    # Asked again, it answers, then goes away when other packages are wanted: those there stay.
    setattr(hub, how, ())
    shutil.rmtree(clone.place)
    assert HUB in clone.put_in_place()
    setattr(hub, how, ("tarballs/dbt-labs",))
    clone.want_others()
    assert "had it before" in clone.put_in_place()
    assert clone.there() == {"automate_dv", "dbt_utils"}
    assert packages.in_use().startswith(HUB)
    # And is asked no more for these either.
    asked = len(hub.asked)
    assert clone.put_in_place() == "" and len(hub.asked) == asked


def test_a_stand_in_stays_where_the_hub_does_not_answer(clone, monkeypatch):
    """A machine without the hub would have no packages, or ask at each command."""
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:9/")
    assert STAND_IN in clone.put_in_place()
    assert clone.put_in_place() == ""
    clone.want_others()
    assert STAND_IN in clone.put_in_place()
    assert clone.there() == {"automate_dv"}


def of_the_older_format(clone: Clone) -> None:
    """dbt_packages as it was left before dbt_utils was put in place too."""
    shutil.copytree(packages.STAND_IN, clone.place / "automate_dv")
    origin = {"origin": "dbt hub", "version": "0.11.5", "packages": "0" * 64}
    (clone.place / "automate_dv" / ".airline-origin.json").write_text(json.dumps(origin))


def test_a_clone_of_before_is_repaired(clone, hub):
    """Who took the package from the hub before would have it without dbt_utils for ever."""
    of_the_older_format(clone)
    hub.ill = ("tarballs",)
    assert STAND_IN in clone.put_in_place()
    shutil.rmtree(clone.place)
    of_the_older_format(clone)
    hub.ill = ()
    assert HUB in clone.put_in_place()
    assert clone.there() == {"automate_dv", "dbt_utils"}


def test_a_hub_that_is_slow_is_waited_for(clone, hub, monkeypatch):
    """A hub that answers, slowly, would be taken for none: time counts from its last answer."""
    monkeypatch.setattr(packages, "PATIENCE", 12)
    hub.delay = 4
    assert HUB in clone.put_in_place()
    shutil.rmtree(clone.place)
    monkeypatch.setattr(packages, "PATIENCE", 3)
    hub.delay = 20
    assert "has not answered for 3 s" in clone.put_in_place()
    assert clone.there() == {"automate_dv"}


def test_a_lock_of_another_packages_yml_is_refused(clone, hub):
    """A lock that does not fit would be written anew in the user's clone without a word."""
    assert HUB in clone.put_in_place()
    wanted, lock = clone.root / "packages.yml", clone.root / "package-lock.yml"
    before = lock.read_bytes()
    wanted.write_text(wanted.read_text().replace("0.11.5", "0.11.4"))
    with pytest.raises(AirlineError, match="made for another") as refused:
        clone.put_in_place()
    assert "dbt deps --lock" in refused.value.todo
    assert lock.read_bytes() == before and clone.there() == {"automate_dv", "dbt_utils"}
    lock.unlink()
    with pytest.raises(AirlineError, match="is gone"):
        clone.put_in_place()


def test_what_dbt_deps_brought_by_hand_stays(clone, hub):
    """Packages that a person had `dbt deps` bring would be replaced by the stand-in."""
    (clone.root / "dbt_project.yml").write_text("name: fetch\nversion: '1.0'\nprofile: none\n")
    dbt = Path(sys.executable).with_name("dbt")
    lock = (clone.root / "package-lock.yml").read_bytes()
    subprocess.run([dbt, "deps", "--project-dir", clone.root], check=True, env=os.environ)
    assert (clone.root / "package-lock.yml").read_bytes() == lock
    hub.ill = ("api",)
    asked = len(hub.asked)
    assert "'dbt deps'" in clone.put_in_place()
    assert len(hub.asked) == asked and clone.there() == {"automate_dv", "dbt_utils"}


def test_a_swap_that_was_killed_is_ended(clone, hub):
    """Killed between the two renames, the packages would be gone where the hub is gone too."""
    assert HUB in clone.put_in_place()
    packages.SET_ASIDE.parent.mkdir(exist_ok=True)
    clone.place.rename(packages.SET_ASIDE)
    hub.ill = ("api",)
    clone.put_in_place()
    assert clone.there() == {"automate_dv", "dbt_utils"}


def forge(hub: Hub) -> None:
    """Somebody puts a line into a version that is out."""
    name = "dbt-labs/dbt_utils"
    version, files = hub.packages[name]
    forged = {path: text + "{# more #}\n" for path, text in files().items()}
    hub.packages[name] = (version, lambda: forged)


@pytest.mark.parametrize("way", ["locked", "met before", "by hand"])
def test_a_version_with_other_files_is_refused(clone, hub, way):
    """Whoever takes the hub, or the way to it, runs code of his own in the warehouse."""
    if way == "met before":
        assert HUB in clone.put_in_place()
    else:
        packages.lock_sums()
        assert "dbt_utils" in packages.SUMS.read_text()
    shutil.rmtree(clone.place, ignore_errors=True)
    forge(hub)
    if way == "by hand":
        (clone.root / "dbt_project.yml").write_text("name: fetch\nversion: '1.0'\nprofile: none\n")
        dbt = Path(sys.executable).with_name("dbt")
        subprocess.run([dbt, "deps", "--project-dir", clone.root], check=True, env=os.environ)
    there = clone.there() if clone.place.exists() else set()
    for _ in range(2):
        with pytest.raises(AirlineError, match=r"dbt_utils .+ has other files") as refused:
            clone.put_in_place()
    assert not packages.ORIGIN.exists()
    assert (clone.there() if clone.place.exists() else set()) == there
    # As it says.
    known = packages.MET if way == "met before" else packages.SUMS
    assert str(known) in refused.value.todo
    known.unlink()
    assert packages.in_use() and clone.put_in_place()
    assert clone.there() == {"automate_dv", "dbt_utils"}


def test_what_is_locked_is_put_in_place(clone, hub):
    """Checksums are over what the hub's files become, and not of its archive."""
    packages.lock_sums()
    assert HUB in clone.put_in_place()
    hub.ill = ("api",)
    before = packages.SUMS.read_bytes()
    with pytest.raises(AirlineError, match="brought no packages"):
        packages.lock_sums()
    assert packages.SUMS.read_bytes() == before
