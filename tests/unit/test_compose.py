"""infra/compose.yaml against the specification and the stack's own code. No engine runs it here."""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import compose, forward
from infra.postgres import roles
from infra.settings import ROOT, Settings
from infra.source.servers import REPLICA_SLOT, Primary
from infra.stack import runtime, venv
from infra.warehouse.service import Warehouse

FILE = ROOT / "infra" / "compose.yaml"
# The services that the file has, as settings.PORTS names them.
PUBLISHED = (
    "primary",
    "replica",
    "dwh",
    "kafka",
    "connect",
    "docs",
    "superset",
    "airflow",
    "metrics",
)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(FILE.read_text())["services"]


def one_shots(services: dict[str, dict[str, Any]]) -> set[str]:
    """Services that others wait for to end."""
    return {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    } | {"load"}


def script(service: dict[str, Any]) -> str | None:
    """The shell script that a service runs, as its shell reads it."""
    for key in ("entrypoint", "command"):
        words = service.get(key)
        if isinstance(words, list) and words[1:2] == ["-euc"]:
            return words[2].replace("$$", "$")
    return None


def test_it_keeps_to_the_specification():
    """Docker Compose would refuse the file."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("check-jsonschema")),
            "--builtin-schema=vendor.compose-spec",
            str(FILE),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_mounted_is_there(services):
    """A container would start with an empty folder that Docker made in place of a missing one."""
    volumes = yaml.safe_load(FILE.read_text())["volumes"]
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (FILE.parent / source).exists(), f"{name}: {source}"
            else:
                assert source in volumes, f"{name}: {source}"


def test_services_wait_for_services_that_are_there(services):
    """`up -d` would fail, or hang on a service without a health check."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}"


def test_what_runs_on_has_a_health_check_and_comes_back(services):
    """A server that hangs or dies would go unnoticed, or a step run again and again."""
    once = one_shots(services)
    for name, service in services.items():
        if name in once:
            assert "restart" not in service, name
        else:
            assert service.get("restart") == "unless-stopped", name
            assert "healthcheck" in service or name == "network", name


def test_images_are_those_of_the_locks(services):
    """The containers would run other versions than ./airline does."""
    postgres = subprocess.run(
        [runtime.postgres_bin(Settings.from_environment()) / "postgres", "--version"],
        capture_output=True,
        text=True,
    ).stdout.split()[-1]
    jars = tomllib.loads((ROOT / "infra/kafka/artifacts.toml").read_text())["jars"]
    [kafka] = {
        found.group(1)
        for path in jars
        if (found := re.search(r"/kafka_2\.13-([0-9.]+)\.jar$", path))
    }
    # The newest Python that every lock is for.
    python = ".".join(str(part) for part in min(venv.NEWEST_PYTHON.values()))
    wanted = {"postgres": postgres, "apache/kafka": kafka, "python": f"{python}-slim"}
    for name, service in services.items():
        image, _, version = service["image"].partition(":")
        assert version == wanted[image], name


def test_ports_are_those_of_the_settings_and_on_loopback_only(services):
    """A README's address would lead nowhere, or a server be open to the network."""
    published = services["network"]["ports"]
    settings = Settings.from_environment({})
    expected = {settings.port(name) for name in PUBLISHED}
    assert set(published) == {f"127.0.0.1:{port}:{port}" for port in expected}
    # Each is handed on to the loopback that the servers listen on.
    assert {int(word) for word in services["network"]["command"][2:]} == expected
    for name in ("primary", "replica", "dwh"):
        assert "-clisten_addresses=127.0.0.1" in services[name]["command"]
    for name, service in services.items():
        assert name == "network" or service["network_mode"] == "service:network", name


@pytest.mark.parametrize("name", ["primary", "replica", "dwh"])
def test_servers_have_the_parameters_of_the_stack(services, name):
    """A database would behave differently in a container."""
    own = Warehouse.parameters if name == "dwh" else Primary.parameters
    words = services[name]["command"]
    assert words[0] == "postgres"
    given = dict(word.removeprefix("-c").split("=", 1) for word in words[1:])
    for parameter, value in own.items():
        assert given[parameter] == str(value), parameter
    assert given["port"] == str(Settings.from_environment({}).port(name))
    if name == "replica":
        assert given["primary_slot_name"] == REPLICA_SLOT


def test_scripts_are_shell(services):
    """A container would end with a syntax error."""
    found = {name: text for name, service in services.items() if (text := script(service))}
    assert {"kafka", "connect", "replica", "project"} <= found.keys()
    for name, text in found.items():
        shell = "bash" if name == "replica" else "sh"
        done = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_scripts_name_what_the_steps_make(services):
    """A container would look for a secret, a configuration file or a module that nobody makes."""
    text = FILE.read_text()
    known = {*roles.SOURCE_ROLES, *roles.WAREHOUSE_ROLES}
    assert set(re.findall(r"/state/secrets/(\w+)", text)) <= known
    assert set(re.findall(r"/state/config/([\w.]+)", text)) <= {
        "broker.properties",
        "worker.properties",
        "log4j2.properties",
    }
    steps = re.findall(r"infra\.compose, (\w+)(?:, (\w[\w-]*))?\]", text)
    names = {service.name for service in compose.services(Settings.from_environment({}))}
    assert {step for step, _ in steps} == {*compose.STEPS, "run"}
    assert {name for step, name in steps if step == "run"} <= names
    assert names <= services.keys(), "a service of the stack has no container"
    for module in re.findall(r"-m,? (infra[\w.]*|ingest\b)", text):
        importlib.import_module(module)
    [cluster] = re.findall(r"--cluster-id=(\w+)", text)
    assert cluster == "airline".ljust(22, "0")


def test_the_copy_of_the_clone_holds_what_runs(services, tmp_path):
    """A container would lack a file of the project, or run in the machine's environment."""
    (tmp_path / "left from before").touch()
    text = script(services["project"]).replace("/clone", str(ROOT)).rpartition("python ")[0]
    done = subprocess.run(["sh", "-euc", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in (
        "infra/stack/venv.py",
        "requirements/core.txt",
        "models",
        "ingest",
        "packages.yml",
    ):
        assert (tmp_path / path).exists(), path
    names = {path.name for path in tmp_path.iterdir()}
    assert not names & {".git", ".venv", ".airline", "target", "left from before"}


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is loopback on Linux only")
def test_connections_are_handed_on_both_ways():
    """A published port would lose bytes, mix up connections, or hang when one end is done."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Answers only when the client has said all: the end of its half must come through.
        writer.write((await reader.read())[::-1])
        writer.close()

    async def ask(port: int, text: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.2", port)
        writer.write(text)
        writer.write_eof()
        answered = await reader.read()
        writer.close()
        return answered

    async def both() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        forwarding = asyncio.create_task(forward.serve("127.0.0.2", [port]))
        await asyncio.sleep(0.2)
        texts = [bytes([number]) * 300_000 + b"end" for number in range(20)]
        assert await asyncio.gather(*(ask(port, text) for text in texts)) == [
            text[::-1] for text in texts
        ]
        server.close()
        await server.wait_closed()
        # Nobody listens any more: closed at once, and the next one is still taken.
        assert await ask(port, b"x") == b""
        assert await ask(port, b"x") == b""
        forwarding.cancel()

    asyncio.run(asyncio.wait_for(both(), 60))
