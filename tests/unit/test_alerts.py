"""Who is told of what, and when: the book of the messages to owners, without clock and network."""

from __future__ import annotations

import dataclasses
import errno
import json
import random
import smtplib
import types
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import pytest

from infra.alerts import book as books
from infra.alerts import desk, letter
from infra.alerts.book import OPENED, OVER, Book, advance
from infra.alerts.trouble import PLATFORM, Trouble, roots
from infra.errors import AirlineError
from infra.health import checks, told
from infra.health.__main__ import Latest
from infra.health.finding import Finding
from infra.health.messages import messages
from infra.mail import delivery
from infra.mail.owners import Owner, owner_of, owners
from infra.parts.registry import registry
from infra.settings import ROOT, Settings
from infra.stack import home

ROUND = 10
FOUND = owners(ROOT / "models")


def trouble(cause: str, group: str = PLATFORM, **further) -> Trouble:
    return Trouble(cause, f"{cause} is ill: mend it", cause.split(":")[0], group, **further)


class Days:
    """A book and its rounds, one after the other."""

    def __init__(self, book: Book | None = None) -> None:
        self.book = book or Book()
        self.now = 1_000_000.0
        self.sent: list[books.Message] = []

    def go(
        self,
        seconds: float,
        *troubles: Trouble,
        unanswered: Iterable[str] = (),
        at_work: bool = False,
        after_break: bool = False,
    ) -> list[tuple[str, str, list[str]]]:
        """Rounds for so long. Returns (kind, owner's address, causes) of what was sent in them."""
        before = len(self.sent)
        for _ in range(int(seconds // ROUND)):
            self.now += ROUND
            advance(
                self.book,
                troubles,
                set(unanswered),
                self.now,
                lambda group: owner_of(FOUND, group),
                is_at_work=lambda: at_work,
                after_break=after_break,
            )
            after_break = False
            self.sent += self.book.outbox
            self.book.outbox.clear()
        return [
            (each.kind, each.owner.email, [section.cause for section in each.sections])
            for each in self.sent[before:]
        ]


PLATFORM_MAIL = FOUND[PLATFORM].email


def test_a_trouble_is_told_once_within_five_minutes_and_once_when_it_is_over():
    """Nobody hears of it, or a mail comes at each round; and nobody knows that it is over."""
    days = Days()
    assert days.go(300, trouble("slot")) == [(OPENED, PLATFORM_MAIL, ["slot"])]
    assert days.go(86_400, trouble("slot")) == []
    assert days.go(300) == [(OVER, PLATFORM_MAIL, ["slot"])]
    assert days.go(86_400) == []


def test_what_mends_itself_within_a_minute_is_not_told():
    """Each restart of a service, each rebalance of the ingesters is a mail."""
    days = Days()
    for _ in range(100):
        assert days.go(50, trouble("service ingest")) == []
        assert days.go(40) == []


def test_all_that_begins_together_is_one_message_to_each_owner():
    """A bad night is twenty mails in three minutes."""
    days = Days()
    groups = [PLATFORM, "airports", "passengers", "operations"]
    ill: list[Trouble] = []
    for number in range(20):
        ill.append(trouble(f"{number}", groups[number % 4]))
        days.go(ROUND / 2 * (1 + number % 2), *ill)
    days.go(600, *ill)
    assert sorted(each.owner.email for each in days.sent) == sorted(
        FOUND[group].email for group in groups
    )
    assert {section.cause for each in days.sent for section in each.sections} == {
        each.cause for each in ill
    }
    assert all(each.made_at - 1_000_000 <= 300 for each in days.sent)


def test_troubles_of_one_round_are_one_message():
    """Each of the models that a mistake breaks is a mail."""
    days = Days()
    ill = [trouble(f"airports: {name}", "airports") for name in "abc"]
    assert days.go(600, *ill) == [
        (OPENED, FOUND["airports"].email, ["airports: a", "airports: b", "airports: c"])
    ]
    assert days.go(600) == [
        (OVER, FOUND["airports"].email, ["airports: a", "airports: b", "airports: c"])
    ]


def test_a_consequence_is_told_with_its_cause_and_is_no_message():
    """A primary that is down is a mail for each part that waits for it."""
    days = Days()
    primary = trouble("service primary")
    slot = trouble("slot", because=("service *",))
    lag = trouble("consumer lag", because=("slot",))
    assert days.go(600, primary, slot, lag) == [(OPENED, PLATFORM_MAIL, ["service primary"])]
    [section] = days.sent[0].sections
    assert section.also == [
        "slot: slot is ill: mend it",
        "consumer lag: consumer lag is ill: mend it",
    ]
    # What was a consequence has its time to mend itself after that.
    assert days.go(170, slot) == [(OVER, PLATFORM_MAIL, ["service primary"])]
    assert days.go(600, slot) == [(OPENED, PLATFORM_MAIL, ["slot"])]


def test_troubles_that_explain_each_other_have_one_root():
    """Each is taken for a consequence of the other, and nobody is told of either."""
    ill = [trouble("b", because=("a",)), trouble("a", because=("b",)), trouble("c", because=("b",))]
    assert roots(ill) == {"a": "a", "b": "a", "c": "a"}
    assert roots(reversed(ill)) == {"a": "a", "b": "a", "c": "a"}
    assert roots([trouble("a", because=("*",))]) == {"a": "a"}


def test_what_cannot_be_asked_is_not_over():
    """The warehouse is down, and owners read that all their troubles are over."""
    days = Days()
    days.go(300, trouble("audit"))
    down = trouble("service dwh")
    assert days.go(900, down, unanswered=["audit"]) == [(OPENED, PLATFORM_MAIL, ["service dwh"])]
    assert days.go(300, trouble("audit")) == [(OVER, PLATFORM_MAIL, ["service dwh"])]
    assert days.go(600) == [(OVER, PLATFORM_MAIL, ["audit"])]


def test_what_comes_and_goes_is_told_ever_more_rarely():
    """A check at its limit fills a mailbox in one night."""
    days = Days()
    for _ in range(24 * 6):
        days.go(300, trouble("slot"))
        days.go(300)
    assert 2 <= len(days.sent) <= 8


def test_a_command_at_work_opens_nothing_for_half_an_hour():
    """Each `up` writes mails of all that it has not started yet; or a command that hangs hides
    everything for ever.
    """
    days = Days()
    assert days.go(1700, trouble("service kafka"), at_work=True) == []
    assert days.go(200, trouble("service kafka"), at_work=True) == [
        (OPENED, PLATFORM_MAIL, ["service kafka"])
    ]


def test_after_a_break_nothing_is_taken_for_lasting():
    """A laptop that slept tells of what was there before it, and of what is not up yet after."""
    days = Days()
    days.go(50, trouble("slot"))
    days.now += 86_400
    assert days.go(60, trouble("slot"), after_break=True) == []
    assert days.go(300) == []


def test_the_book_is_the_same_after_it_was_on_disk():
    """A restart tells everything again."""
    days = Days()
    days.go(300, trouble("slot"), trouble("airports: a", "airports"))
    days.go(300, trouble("audit"))
    advance(days.book, [trouble("x"), trouble("y")], set(), days.now, lambda group: FOUND[PLATFORM])
    books._post(days.book, OPENED, FOUND[PLATFORM], list(days.book.incidents.values()), 1.0, {})
    assert books.from_json(json.loads(json.dumps(books.to_json(days.book)))) == days.book


def healthy(settings: Settings) -> tuple[list[Finding], list[Finding]]:
    """What a round finds where all is well."""
    services = [
        Finding(
            each.name,
            values={"state": "RUNNING", "answers": True, "last_error": None},
        )
        for each in registry(settings)
    ]
    return services, [Finding(check.name, "well") for check in checks.CHECKS]


class Office:
    """A desk in a folder, a clock that is set, and a mail server that does as it is told."""

    def __init__(self, folder: Path) -> None:
        self.settings = dataclasses.replace(Settings.from_environment({}), home=folder)
        self.now = 1_000_000.0
        self.sent: list[tuple[EmailMessage, str]] = []
        self.on_send: Callable[[], None] = lambda: None
        # Addresses that the server does not take.
        self.refused: list[str] = []
        self.open()

    def open(self) -> None:
        """A new process: it knows what is on disk."""
        self.desk = desk.Desk(self.settings, lambda: self.now, self._send)

    def _send(self, settings: Settings, made: EmailMessage, name: str) -> list[str]:
        self.on_send()
        self.sent.append((made, name))
        return self.refused

    def go(self, seconds: float, *ill: Trouble) -> None:
        for _ in range(int(seconds // ROUND)):
            self.now += ROUND
            self.desk.look(ill, set())

    @property
    def to(self) -> list[str]:
        return [str(made["To"].addresses[0].addr_spec) for made, _ in self.sent]


@pytest.fixture
def office(tmp_path) -> Office:
    return Office(tmp_path)


def test_a_quiet_day_is_no_message(office, monkeypatch):
    """Ageing figures, a service that starts again, a check that times out: the owners write the
    sender off.
    """
    chance = random.Random(19)
    services, findings = healthy(office.settings)
    parts = registry(office.settings)
    monkeypatch.setattr(told, "registry", lambda settings: parts)
    for number in range(86_400 // ROUND):
        office.now += ROUND
        for each in (*services, *findings):
            each.problem, each.is_known = "", True
        # A few rounds in a row, again and again, somewhere.
        start = number // 5 * 5
        chance.seed(start)
        if chance.random() < 0.2 and number - start < chance.randint(1, 4):
            each = chance.choice([*services, *findings])
            each.problem = "for a moment"
            each.is_known = each in services or chance.random() < 0.5
        office.desk.look(*told.troubles(office.settings, services, findings))
    assert office.sent == []
    assert not desk.read(office.settings).opened


@pytest.mark.parametrize("at", [30, 60, 70, 120, 300])
def test_a_restart_sends_nothing_twice(office, at):
    """Each `up` repeats what its owners have read."""
    office.go(at, trouble("slot"))
    office.open()
    office.go(300, trouble("slot"))
    assert office.to == [PLATFORM_MAIL]
    office.go(130)
    office.open()
    office.go(600)
    assert office.to == [PLATFORM_MAIL] * 2


def test_a_crash_between_sending_and_noting_sends_once_more_at_most(office):
    """A process that dies there each time sends for ever; or nobody gets the message."""

    class Crash(BaseException):
        pass

    def crash() -> None:
        office.sent.append((EmailMessage(), "went out"))
        raise Crash

    office.on_send = crash
    for _ in range(5):
        for _ in range(40):
            try:
                office.go(ROUND, trouble("slot"))
            except Crash:
                break
        office.open()
    assert len(office.sent) == 2


def test_a_mail_server_that_is_away_loses_nothing(office):
    """A message is gone because the server was restarted just then."""

    def away() -> None:
        raise AirlineError("mail.example:587 takes no mail", "mend AIRLINE_SMTP_*")

    office.on_send = away
    office.go(3600, trouble("slot"))
    assert office.sent == []
    [waiting] = desk.read(office.settings).outbox
    assert "takes no mail" in waiting.problem and waiting.unsure == 0
    office.on_send = lambda: None
    office.go(310, trouble("slot"))
    assert office.to == [PLATFORM_MAIL]
    assert desk.read(office.settings).outbox == []


def test_a_trouble_that_was_over_before_it_could_be_told_is_not_told(office):
    """When the mail server is back, a day's old mails come in a heap."""

    def away() -> None:
        raise AirlineError("mail.example:587 takes no mail", "mend AIRLINE_SMTP_*")

    office.on_send = away
    office.go(600, trouble("slot"))
    office.go(600)
    office.on_send = lambda: None
    office.go(600)
    assert office.sent == []


@pytest.mark.parametrize("error", [UnicodeEncodeError("ascii", "ж", 0, 1, "no"), RuntimeError()])
def test_an_error_of_the_program_loses_no_message(office, error):
    """A password with a letter that no mail server takes: after the third round nobody is told."""

    def fail() -> None:
        raise error

    office.on_send = fail
    office.go(3600, trouble("slot"))
    assert type(error).__name__ in messages(office.settings).problem
    office.on_send = lambda: None
    office.go(310, trouble("slot"))
    assert office.to == [PLATFORM_MAIL]


def test_one_of_several_addresses_that_is_refused_is_said(office):
    """One of an owner's addresses gets nothing, and everything looks well."""
    office.refused = [PLATFORM_MAIL]
    office.go(300, trouble("slot"))
    assert f"takes none for {PLATFORM_MAIL}" in messages(office.settings).problem
    office.refused = []
    office.go(300)
    assert messages(office.settings).problem == ""


def test_a_full_disk_is_told_by_mail(office, monkeypatch):
    """What stops everything is what nobody hears of, for the book needs room too."""
    office.settings = dataclasses.replace(office.settings, smtp_host="mail.example")
    office.open()

    def full(file, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(desk.runtime, "write_private", full)
    for _ in range(30):
        with suppress(OSError):
            office.go(ROUND, trouble("disk space"))
    assert office.to == [PLATFORM_MAIL]


def test_one_address_that_is_refused_holds_nobody_up(office):
    """A mistake in one group's address, and no owner hears of anything."""
    calls = []

    def refuse_first() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise delivery.Refused("takes no mail for a@b.example", "mend the address")

    office.on_send = refuse_first
    # The first round after a start has a break before it.
    office.go(190, trouble("airports: a", "airports"), trouble("slot"))
    assert len(office.sent) == 1
    office.go(60, trouble("airports: a", "airports"), trouble("slot"))
    assert sorted(office.to) == sorted([PLATFORM_MAIL, FOUND["airports"].email])


def test_nothing_is_written_where_nothing_changes(office):
    """The disk is written to every ten seconds for nothing."""
    office.go(300)
    assert not delivery.folder(office.settings).exists()


def test_a_book_that_cannot_be_read_says_what_to_do(office):
    """The service dies at each start, and nobody knows why."""
    office.go(100, trouble("slot"))
    (delivery.folder(office.settings) / "book.json").write_text('{"incidents": 1')
    with pytest.raises(AirlineError, match="remove it"):
        office.open()


def test_the_service_says_once_that_owners_cannot_be_told_and_goes_on(office, capsys):
    """The metrics end with the messages; or the log has a trace of it every ten seconds."""
    book = delivery.folder(office.settings) / "book.json"
    book.parent.mkdir()
    book.write_text("no book")
    latest = Latest(office.settings)
    for _ in range(3):
        latest._tell(*healthy(office.settings))
    said = capsys.readouterr().err
    assert said.count("owners are not told") == 1 and "remove it" in said
    book.unlink()
    latest._tell(*healthy(office.settings))
    assert capsys.readouterr().err == ""


def test_status_says_what_is_open_and_what_was_not_sent(office):
    """Owners are told of nothing, and the one screen that people look at calls it healthy."""
    assert messages(office.settings).problem == ""

    def away() -> None:
        raise AirlineError("mail.example:587 takes no mail", "mend AIRLINE_SMTP_*")

    office.on_send = away
    office.go(300, trouble("slot"))
    found = messages(office.settings)
    assert found.text.startswith("1 open (slot); files in ")
    assert "1 not sent: mail.example:587 takes no mail" in found.problem


def test_messages_are_files_without_a_mail_server(office):
    """A stack without mail tells nobody."""
    office.desk = desk.Desk(office.settings, lambda: office.now)
    office.go(200, trouble("slot"))
    [file] = delivery.messages(office.settings).iterdir()
    said = file.read_text()
    assert f"<{PLATFORM_MAIL}>" in said and "Subject: [airline] slot" in said
    assert "slot is ill: mend it" in said
    assert file.parent.stat().st_mode & 0o077 == 0
    office.go(300)
    assert len(list(delivery.messages(office.settings).iterdir())) == 2


def test_reset_takes_the_messages_along():
    """A new stack thinks that its owners know what the old one had."""
    assert "alerts" in home.MADE_BY_UP


def test_a_message_has_nobodys_data_and_its_commands_as_they_are_typed():
    """A passenger's name is in a mail; or the command to type is cut out with it."""
    said = letter.without_data(
        "Cannot parse 'ANNA PETROVA' +79991234567 anna@mail.example Key (id)=(42): "
        "'./airline resync tickets' finds all, 'kill -CONT 12' lets it go on"
    )
    assert said == (
        "Cannot parse '…' … … Key (id)=(…): './airline resync tickets' finds all, "
        "'kill -CONT 12' lets it go on"
    )


def test_every_trouble_has_an_owner():
    """A group has no owner, and its troubles reach nobody."""
    assert owner_of(FOUND, "a group that is new") == FOUND[PLATFORM]
    assert {"airports", "passengers", "operations"} <= FOUND.keys()


def test_owners_stand_in_any_file_of_groups(tmp_path):
    """A team adds its own groups.yml, and is told of nothing."""
    (tmp_path / "marts").mkdir()
    (tmp_path / "groups.yml").write_text(
        f"groups: [{{name: {PLATFORM}, owner: {{name: P, email: p@x.example}}}}]"
    )
    (tmp_path / "marts/groups.yml").write_text(
        "groups: [{name: cargo, owner: {email: [a@x.example, b@x.example]}}, {name: nobody's}]"
    )
    assert owners(tmp_path) == {
        PLATFORM: Owner("P", "p@x.example"),
        "cargo": Owner("cargo", "a@x.example, b@x.example"),
    }
    (tmp_path / "groups.yml").unlink()
    with pytest.raises(AirlineError, match="no owner with an address"):
        owners(tmp_path)


def test_causes_that_checks_name_are_causes_that_there_are():
    """A check is a consequence of something that is called otherwise: two messages for one."""
    settings = Settings.from_environment({})
    named = {told.cause_of(each.name) for each in registry(settings)}
    named |= {check.name for check in checks.CHECKS} | {"DAG vault_load", f"{PLATFORM}: x"}
    for check in checks.CHECKS:
        ill = [trouble(cause) for cause in sorted(named - {check.name})]
        for pattern in check.because:
            assert set(roots([*ill, trouble(check.name, because=(pattern,))]).values()) < {
                each.cause for each in ill
            } | {check.name}
            assert roots([*ill, trouble(check.name, because=(pattern,))])[check.name] != check.name


def test_what_waits_for_a_service_is_that_services_trouble(office):
    """A warehouse that is down is ten mails."""
    services, findings = healthy(office.settings)
    for each in services:
        if each.name == "dwh":
            each.problem = "not running"
    for each in findings:
        if "dwh" in {check.name: check.needs for check in checks.CHECKS}[each.name]:
            each.problem, each.is_known, each.awaits = "dwh not running", False, ("dwh",)
    found, unanswered = told.troubles(office.settings, services, findings)
    assert [each.cause for each in found] == ["service dwh"]
    assert {"load batch", "marts"} <= unanswered


def test_without_a_supervisor_there_is_one_trouble(office):
    """Each service of the stack is told of, with the same words."""
    services, findings = healthy(office.settings)
    for each in services:
        each.problem = "supervisord does not run"
        each.values["state"] = "UNKNOWN"
    found, unanswered = told.troubles(office.settings, services, findings)
    assert [each.cause for each in found] == [told.SUPERVISOR]
    assert told.cause_of("dwh") in unanswered


def test_a_password_goes_nowhere_without_encryption(tmp_path):
    """Whoever listens has the login of the mail server."""
    secret = tmp_path / "secret"
    secret.write_text("mailpassword\n")
    settings = dataclasses.replace(
        Settings.from_environment({}),
        smtp_host="127.0.0.1",
        smtp_tls="none",
        smtp_user="airline",
        smtp_password_file=str(secret),
    )
    with pytest.raises(AirlineError, match="without TLS") as raised:
        delivery.send(settings, EmailMessage(), "1")
    assert "mailpassword" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "at_text", "kind"),
    [
        (smtplib.SMTPDataError(550, b"no ANNA"), True, delivery.Refused),
        (smtplib.SMTPServerDisconnected("gone"), True, delivery.Unsure),
        (smtplib.SMTPServerDisconnected("gone"), False, AirlineError),
        (TimeoutError("timed out"), True, delivery.Unsure),
        (TimeoutError("timed out"), False, AirlineError),
        (smtplib.SMTPRecipientsRefused({}), False, delivery.Refused),
    ],
)
def test_what_a_mail_server_answers_is_told_without_its_words(monkeypatch, error, at_text, kind):
    """What may have gone out is sent for ever, or what was refused is taken for sent."""

    class Session:
        sock = types.SimpleNamespace(settimeout=lambda seconds: None)

        def send_message(self, made, to_addrs=None):
            if at_text:
                self.data(b"")
            raise error

        def data(self, text):
            raise error

        def quit(self):
            raise smtplib.SMTPServerDisconnected

        def close(self):
            pass

    monkeypatch.setattr(delivery, "_session", lambda settings: Session())
    settings = dataclasses.replace(Settings.from_environment({}), smtp_host="mail.example")
    with pytest.raises(AirlineError) as raised:
        delivery.send(settings, EmailMessage(), "1")
    assert type(raised.value) is kind
    assert "ANNA" not in str(raised.value)
