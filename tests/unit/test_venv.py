"""Environments from locks: by uv where it works, else by pip, from the caller's index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.stack import venv


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A clone with one lock, of a package that only the caller's pip knows where to find."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("thing.py", "answer = 42\n")
        file.writestr(
            "thing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n"
        )
        file.writestr(
            "thing-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("thing-1.dist-info/RECORD", "")
    root = tmp_path / "clone"
    (root / "requirements").mkdir(parents=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (root / "requirements" / "core.txt").write_text(f"thing==1 --hash=sha256:{digest}\n")
    shutil.copy(venv.ROOT / "requirements" / "uv.txt", root / "requirements")
    monkeypatch.setattr(venv, "ROOT", root)
    places = {lock: root / ".venv" for lock in ("core", "uv")}
    monkeypatch.setattr(venv, "ENVIRONMENTS", places)
    monkeypatch.setattr(venv, "_OWN_UV", root / ".venv" / "bin" / "uv")
    for name in ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return root


def answer(clone: Path) -> str:
    command = [str(clone / ".venv" / "bin" / "python"), "-c", "import thing; print(thing.answer)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_pip_installs_where_uv_cannot_be_had(clone, monkeypatch, capfd):
    """A machine that cannot fetch uv has no stack."""
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    assert venv.main(["core"]) == 0, capfd.readouterr().err
    assert answer(clone) == "42"
    assert venv.is_made("core") and not venv.is_made("uv")


def test_pip_installs_where_uv_fails(clone, monkeypatch, tmp_path, capfd):
    """An index that uv does not reach leaves no stack, though pip reaches it."""
    broken = tmp_path / "uv"
    broken.write_text('#!/bin/sh\n[ "$1" = venv ] && exec "$4" -m venv "$5"\nexit 2\n')
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *_: str(broken))
    assert venv.main(["core"]) == 0, capfd.readouterr().err
    assert answer(clone) == "42"


def test_uv_is_told_what_pip_is_configured_with(monkeypatch, tmp_path):
    """Behind a mirror, or a proxy with its own authority, uv finds nothing, and pip is slow."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://ann:secret@mirror.example/simple\n"
        "find-links =\n  /one\n  /two\ncert = /etc/authority.pem\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.example/simple")
    monkeypatch.setenv("PIP_CERT", "/etc/of-the-environment.pem")
    told = venv._pip_for_uv()
    assert told["UV_DEFAULT_INDEX"] == "https://ann:secret@mirror.example/simple"
    assert told["UV_INDEX"] == "https://more.example/simple"
    assert told["UV_FIND_LINKS"].split(",")[-2:] == ["/one", "/two"]
    assert told["SSL_CERT_FILE"] == "/etc/of-the-environment.pem"
