"""Settings that cannot work are refused before anything is started."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from infra.errors import AirlineError
from infra.settings import DECLARED, DEMO_PASSWORDS, PORTS, ROOT, Settings, page
from infra.stack import home
from ingest import config

# Other values than the defaults, of settings that do not take any text.
TAKEN = {"host": "localhost", "mode": "production", "language": "en", "smtp_tls": "tls"}
# They belong to a stack that is no demo.
PUBLIC = ("superset_public_url", "airflow_public_url")


def settings(**variables: str) -> Settings:
    return Settings.from_environment({f"AIRLINE_{name}": text for name, text in variables.items()})


def test_the_offset_moves_every_port_but_those_set_alone():
    """Two stacks side by side would fight for a port."""
    moved = settings(PORT_OFFSET="100", KAFKA_PORT="9999")
    usual = settings()
    for service in PORTS:
        wanted = 9999 if service == "kafka" else usual.port(service) + 100
        assert moved.port(service) == wanted, service


@pytest.mark.parametrize("offset", ["-1", "x", "1.5", "60001", "60000"])
def test_an_offset_that_gives_no_ports_is_refused(offset):
    """A service would be started on a port that does not exist."""
    with pytest.raises(AirlineError, match="AIRLINE_"):
        settings(PORT_OFFSET=offset)


def test_a_language_that_the_dashboards_do_not_speak_is_refused():
    """The dashboards would come up half in one language and half in another."""
    with pytest.raises(AirlineError, match="AIRLINE_LANGUAGE=de is none of ru, en"):
        settings(LANGUAGE="de")


def test_a_former_variable_is_refused():
    """The ingester would read other topics than whoever set it believes."""
    with pytest.raises(AirlineError, match=r"AIRLINE_TOPIC_PREFIX .*dbt_project.yml"):
        settings(TOPIC_PREFIX="other")


def test_one_port_for_two_services_is_refused():
    """The second of them would never come up, with an error in a log somewhere."""
    with pytest.raises(AirlineError, match="both mean port 5432"):
        settings(DWH_PORT="5432")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "warehouse.example"])
@pytest.mark.parametrize("mode", ["demo", "production"])
def test_nothing_listens_where_others_are(host, mode, tmp_path):
    """Kafka and Connect listen there without a lock, and PostgreSQL without TLS."""
    own = dict.fromkeys(PASSWORDS, "a word of ours")
    with pytest.raises(AirlineError, match="AIRLINE_HOST"):
        settings(HOST=host, MODE=mode, HOME=str(tmp_path), **own)


PASSWORDS = [name.removeprefix("AIRLINE_") for name in DEMO_PASSWORDS]


@pytest.fixture
def production(tmp_path):
    """Settings of a stack in production."""
    return lambda **variables: settings(MODE="production", HOME=str(tmp_path), **variables)


def test_production_makes_passwords_of_its_own(production, tmp_path):
    """What the README says lets everybody in."""
    made = production()
    words = {
        name: getattr(made, name)
        for name, each in DECLARED.items()
        if each.variable in DEMO_PASSWORDS
    }
    assert len({*words.values()} - {*DEMO_PASSWORDS.values()}) == len(PASSWORDS) == 5
    for name, word in words.items():
        assert len(word) >= 40
        file = tmp_path / "secrets" / name
        assert (file.read_text(), file.stat().st_mode & 0o777) == (word, 0o600)
    # The same the next time, and what was set is kept.
    assert production() == made
    assert production(ADMIN_PASSWORD="a word of ours").admin_password == "a word of ours"


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("word", sorted({*DEMO_PASSWORDS.values()}))
def test_production_refuses_passwords_that_everybody_knows(production, name, word):
    """A variable that was left over from the demo lets everybody in."""
    with pytest.raises(AirlineError, match=f"AIRLINE_{name}"):
        production(**{name: word})


def test_a_stack_stays_production(production, tmp_path):
    """Whoever forgets the variable gives the logins back their known passwords."""
    home.remember_mode(production())
    assert settings(HOME=str(tmp_path)).is_production
    with pytest.raises(AirlineError, match="is production"):
        home.remember_mode(settings(HOME=str(tmp_path), MODE="demo"))
    with pytest.raises(AirlineError, match="is production"):
        home.refuse_another_mode(settings(HOME=str(tmp_path), MODE="demo"))
    home.remove(production())
    assert not settings(HOME=str(tmp_path)).is_production


def test_a_power_cut_makes_no_demo_of_production(production, tmp_path, monkeypatch):
    """`up` notes the mode each time: cut short, a note that is empty means a demo, whose passwords
    everybody knows.
    """
    home.remember_mode(production())
    write = Path.write_text

    def cut_short(self: Path, text: str) -> None:
        write(self, "")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", cut_short)
    with suppress(KeyboardInterrupt):
        home.remember_mode(production())
    monkeypatch.undo()
    assert settings(HOME=str(tmp_path)).is_production


def test_a_demo_is_not_asked_with_passwords_of_production(production, tmp_path):
    """`status` says that a password is wrong, of a stack that is well."""
    home.refuse_another_mode(production())
    home.remember_mode(settings(HOME=str(tmp_path), MODE="demo"))
    with pytest.raises(AirlineError, match="is a demo"):
        home.refuse_another_mode(production())
    home.remember_mode(production())
    home.refuse_another_mode(production())


def test_a_login_is_said_as_long_as_everybody_knows_it(production, tmp_path):
    """A person cannot log in to the demo; or a password of production is on a screen."""
    assert settings().login("airflow_user", "airflow_password") == "admin / admin"
    assert settings().login("admin_user", "admin_password") == "admin / adminpassword"
    own = settings(AIRFLOW_PASSWORD="a word of ours")
    assert "ours" not in own.login("airflow_user", "airflow_password")
    said = production().login("airflow_user", "airflow_password")
    assert said == f"admin, its password in {tmp_path}/secrets/airflow_password"
    set_ = production(AIRFLOW_PASSWORD="a word of ours")
    assert set_.login("airflow_user", "airflow_password") == "admin"


@pytest.mark.parametrize("service", ["SUPERSET", "AIRFLOW"])
def test_others_come_by_tls_alone_and_to_no_demo(production, service):
    """Passwords and passengers go over a network as they are, or to whoever knows the README."""
    name = f"{service}_PUBLIC_URL"
    assert production(**{name: "https://bi.example:8443"})
    for url in ("http://bi.example", "bi.example", "https://bi.example/superset", "https:// x"):
        with pytest.raises(AirlineError, match=f"AIRLINE_{name}"):
            production(**{name: url})
    with pytest.raises(AirlineError, match=f"AIRLINE_{name} .*production"):
        settings(**{name: "https://bi.example"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_the_demos_password_is_fine_on_loopback(host):
    """The demo would ask for a password before it shows anything."""
    assert settings(HOST=host).host == host


def test_each_ingester_has_a_port_of_its_own():
    """The second ingester would not start, or answer on the port of another service."""
    three = settings(INGESTERS="3", PORT_OFFSET="100")
    assert three.port("ingest metrics") == 9564
    assert [three.port(f"ingest-{n} metrics") for n in (2, 3)] == [9565, 9566]
    with pytest.raises(AirlineError, match="both mean port 9465"):
        settings(INGESTERS="2", CONNECT_PORT="9465")


def test_the_page_of_the_settings_says_what_is_declared():
    """The docs name a variable that nobody reads, or another default."""
    text = (ROOT / "docs/settings.md").read_text()
    tables = text[text.index("\n## ") + 1 :]
    assert tables == page(), "write them: python -m infra.settings (below the page's first lines)"


def test_every_setting_is_read_under_its_name_and_handed_on(tmp_path):
    """A setting is declared and has no effect, or a child process runs with another value."""
    usual = settings().environment()
    for name, each in DECLARED.items():
        kind = "count" if each.high else "path" if isinstance(each.default, Path) else name
        other = {"count": "7", "path": "/elsewhere", **TAKEN}.get(kind, "other")
        further = {"MODE": "production"} if name in PUBLIC else {}
        other = "https://bi.example" if name in PUBLIC else other
        if name in ("mode", *PUBLIC):
            further["HOME"] = str(tmp_path)
        changed = settings(**{each.variable.removeprefix("AIRLINE_"): other}, **further)
        assert str(getattr(changed, name)) == changed.environment()[each.variable] == other
        assert usual[each.variable] != other


def test_the_page_of_landing_says_what_the_ingester_takes(capsys, monkeypatch):
    """The docs name a variable of the ingester's that it does not read, or another default."""
    # Wide enough that no default is broken into two lines.
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit):
        config.read(["--help"], {})
    said = " ".join(capsys.readouterr().out.split())
    taken = dict(re.findall(r"\[AIRLINE_INGEST_(\w+), default ([^\]]*)\]", said))
    shown = {}
    for names, defaults in re.findall(
        r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| ([^|]*) \|",
        (ROOT / "docs/landing.md").read_text(),
        re.M,
    ):
        shown |= dict(zip(re.findall(r"\w+", names), defaults.split(", "), strict=True))
    assert {name: text.replace("16 MiB", str(16 << 20)) for name, text in shown.items()} == taken
