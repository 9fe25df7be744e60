"""Who logs in to Kafka, and what each may do there: one principal for each kind of program.

Nobody comes in without a password, and whoever is let in reads and writes what stands in `GRANTS`
and nothing else. The administration alone may do everything: the broker itself and the commands of
people. docs/security.md has the same table in words.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import catalogue
from infra.errors import AirlineError
from infra.settings import Settings

if TYPE_CHECKING:
    from kafka.admin import ACL

# The password itself never travels: whoever listens on the broker's port in its place learns none.
MECHANISM = "SCRAM-SHA-512"
ADMIN = "kafka_admin"
CONNECT = "kafka_connect"
DEBEZIUM = "kafka_debezium"
INGEST = "kafka_ingest"
METRICS = "kafka_metrics"
WATCH = "kafka_watch"
# What the broker logs in to its own controller with, as the administration.
CONTROLLER_SECRET = "kafka_controller"

# The worker's consumer group; its own topics begin so, too.
CONNECT_GROUP = "airline-connect"
OFFSETS_TOPIC = f"{CONNECT_GROUP}-offsets"
CONNECTOR = "airline-connector"
# Topics of signals to the connector, of its notifications, and of its signs of life.
SIGNAL_TOPIC = "airline-signals"
NOTIFICATION_TOPIC = "airline-notifications"
SIGNAL_GROUP = "airline-signals"
INGEST_GROUP = "airline-ingest"

# It warns of every login by SCRAM on a connection without TLS, which is what loopback needs.
logging.getLogger("kafka.net.sasl.scram").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Grant:
    """What a principal may do with a topic, group or transactional id of this name, or with all
    whose names begin so. Who may read or write may see that it is there.
    """

    principal: str
    kind: str
    name: str
    operations: tuple[str, ...]
    is_prefix: bool = False


def grants() -> list[Grant]:
    events = f"{catalogue.topic_prefix()}."
    heartbeat = f"__debezium-heartbeat.{catalogue.topic_prefix()}"
    made = ("write", "create", "describe_configs")
    return [
        Grant(CONNECT, "topic", f"{CONNECT_GROUP}-", ("read", *made), True),
        Grant(CONNECT, "group", CONNECT_GROUP, ("read",)),
        Grant(CONNECT, "transactional_id", f"connect-cluster-{CONNECT_GROUP}", ("write",)),
        Grant(DEBEZIUM, "topic", events, made, True),
        Grant(DEBEZIUM, "topic", heartbeat, made),
        Grant(DEBEZIUM, "topic", NOTIFICATION_TOPIC, ("write",)),
        Grant(DEBEZIUM, "topic", SIGNAL_TOPIC, ("read",)),
        Grant(DEBEZIUM, "topic", OFFSETS_TOPIC, ("read", *made)),
        Grant(DEBEZIUM, "group", SIGNAL_GROUP, ("read",)),
        Grant(DEBEZIUM, "transactional_id", f"{CONNECT_GROUP}-{CONNECTOR}-", ("write",), True),
        Grant(INGEST, "topic", events, ("read",), True),
        Grant(INGEST, "group", os.environ.get("AIRLINE_INGEST_GROUP") or INGEST_GROUP, ("read",)),
        Grant(METRICS, "topic", events, ("describe",), True),
        # Positions in the source's log, and no row.
        Grant(METRICS, "topic", OFFSETS_TOPIC, ("read",)),
        Grant(WATCH, "topic", OFFSETS_TOPIC, ("read",)),
    ]


def login(settings: Settings) -> tuple[str, str]:
    """Principal and password of this process: the administration's unless it was told another's."""
    user = settings.kafka_user
    return user, settings.kafka_password or settings.secret(user)


def client(settings: Settings) -> dict[str, Any]:
    """Arguments for a client of kafka-python."""
    user, password = login(settings)
    return options(settings.kafka_bootstrap, user, password)


def options(bootstrap: str, user: str, password: str, mechanism: str = MECHANISM) -> dict[str, Any]:
    return {
        "bootstrap_servers": bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }


def environment(settings: Settings, principal: str) -> dict[str, str]:
    """The variables of a process of ours that logs in as `principal`."""
    return {
        "AIRLINE_KAFKA_USER": principal,
        "AIRLINE_KAFKA_PASSWORD": settings.secret(principal),
    }


def jaas(settings: Settings, principal: str) -> str:
    """The login of a Java client, as a value of `sasl.jaas.config`."""
    return (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="{principal}" password="{settings.secret(principal)}";'
    )


def make(settings: Settings) -> None:
    """Gives each principal its password and its rights, and takes away what is no longer its own.
    What somebody gave to principals of their own stays. Running it again changes nothing.
    """
    from kafka import KafkaAdminClient
    from kafka.admin import UserScramCredentialUpsertion

    principals = {each.principal for each in grants()}
    with closing(KafkaAdminClient(**client(settings))) as admin:
        refused = admin.alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(name, MECHANISM, settings.secret(name))
                for name in sorted(principals)
            ]
        )
        failed = {name: error for name, error in refused.items() if error}
        found, _ = admin.describe_acls(_any())
        wanted = set(_acls())
        own = {each for each in found if each.principal.removeprefix("User:") in principals}
        if missing := wanted - own:
            failed |= {str(each): "not made" for each in admin.create_acls(list(missing))["failed"]}
        if surplus := own - wanted:
            admin.delete_acls(list(surplus))
    if failed:
        raise AirlineError(
            f"Kafka does not take who may do what ({failed})",
            "see './airline logs kafka'; './airline up' tries again",
        )


def _any() -> Any:
    from kafka.admin import (
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )

    pattern = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)


def _acls() -> Iterator[ACL]:
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourceType,
    )

    for each in grants():
        how = ACLResourcePatternType.PREFIXED if each.is_prefix else ACLResourcePatternType.LITERAL
        pattern = ResourcePattern(ResourceType[each.kind.upper()], each.name, how)
        for operation in each.operations:
            yield ACL(
                f"User:{each.principal}",
                "*",
                ACLOperation[operation.upper()],
                ACLPermissionType.ALLOW,
                pattern,
            )
