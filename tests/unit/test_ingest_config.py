"""Settings of the ingester: flags, environment variables, defaults."""

from __future__ import annotations

import pytest

import catalogue
from ingest import config


def test_defaults_fit_the_default_stack():
    """`python -m ingest` would not find the stack that `./airline up` starts."""
    c = config.read([], {})
    assert (c.bootstrap, c.dwh_host, c.dwh_port) == ("127.0.0.1:9092", "127.0.0.1", 5434)
    assert (c.dwh_db, c.dwh_user) == ("airline_tickets_dwh", "airline_ingest")
    assert c.group == "airline-ingest"
    assert "airline.public.boarding_passes" in c.topics
    assert "airline.transaction" in c.topics
    assert len(c.topics) == len(catalogue.names()) + 1


def test_the_stacks_variables_are_enough():
    """A stack on other ports would be missed, and another one's topics landed."""
    c = config.read(
        [], {"AIRLINE_HOST": "127.0.0.2", "AIRLINE_KAFKA_PORT": "19092", "AIRLINE_DWH_PORT": "15"}
    )
    assert (c.bootstrap, c.dwh_host, c.dwh_port) == ("127.0.0.2:19092", "127.0.0.2", 15)


def test_a_flag_wins_over_the_environment():
    """A flag given by hand would be ignored."""
    env = {"AIRLINE_INGEST_FLUSH_ROWS": "7", "AIRLINE_INGEST_FLUSH_BYTES": "8"}
    c = config.read(["--flush-rows", "9"], env)
    assert (c.flush_rows, c.flush_bytes) == (9, 8)


@pytest.mark.parametrize("prefix", ["airline", "airline."])
def test_a_topic_prefix_may_end_in_a_dot(prefix):
    """A prefix with its dot would look for topics with two dots."""
    assert config.read(["--topic-prefix", prefix], {}).topics[0] == "airline.public.airports"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIRLINE_DWH_PORT", "postgres"),
        ("AIRLINE_INGEST_FLUSH_ROWS", "0"),
        ("AIRLINE_INGEST_FLUSH_SECONDS", "nan"),
        ("AIRLINE_INGEST_MAX_DEAD_LETTERS", "-1"),
        ("AIRLINE_INGEST_SESSION_SECONDS", "1"),
        ("AIRLINE_INGEST_LOG_LEVEL", "CHATTY"),
        # Not one any more.
        ("AIRLINE_TOPIC_PREFIX", "--topic-prefix"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(variable, value, capsys):
    """A mistyped setting would be taken for something else, or fail far from its cause."""
    with pytest.raises(SystemExit) as stop:
        config.read([], {variable: value})
    assert stop.value.code == 2
    assert value in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "size", "seconds", "due"),
    [(0, 0, 0.9, False), (9, 99, 0.9, False), (10, 0, 0, True), (0, 100, 0, True), (0, 0, 1, True)],
)
def test_a_batch_is_landed_when_it_is_full_or_old(rows, size, seconds, due):
    """A batch grows past what memory holds, or an event that comes alone waits for a second one."""
    limits = ["--flush-rows=10", "--flush-bytes=100", "--flush-seconds=1"]
    assert config.read(limits, {}).is_due(rows, size, seconds) is due


def test_positions_to_set():
    """--set-position would store another position than the one that was typed."""
    c = config.read(["--set-position", "airline.public.flights:0=12"], {})
    assert c.set_position == (("airline.public.flights", 0, 12),)
    with pytest.raises(SystemExit):
        config.read(["--set-position", "airline.public.flights=12"], {})


def test_the_password_is_neither_a_flag_nor_shown():
    """The password would stand in the process list or in a log."""
    c = config.read([], {"AIRLINE_INGEST_PASSWORD": "secret"})
    assert c.dsn()["password"] == "secret"
    assert "secret" not in repr(c)
    with pytest.raises(SystemExit):
        config.read(["--password", "secret"], {})


def test_the_staging_table_is_the_topics_last_part():
    """Events would land in another table than dbt reads."""
    assert config.table_of("airline.public.ticket_flights") == "ticket_flights"
    assert config.table_of("airline.transaction") == "transaction"
