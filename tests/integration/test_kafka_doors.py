"""Who comes into Kafka, and what each principal does there: attacks on a real broker."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic, UserScramCredentialUpsertion
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata

from infra.kafka import access, first_login
from infra.kafka.broker import LANGUAGE, Broker, java_command, write_configuration
from infra.kafka.service import Kafka
from infra.settings import Settings
from infra.stack import home, runtime
from infra.stack.progress import Progress
from infra.stack.service import bring_up
from infra.stack.supervision import Supervisor
from tests.integration.conftest import Running, scratch_folder, settings_in

pytestmark = pytest.mark.timeout(1800)

EVENTS = "airline.public.bookings"
HEARTBEAT = "__debezium-heartbeat.airline"
TOPICS = (
    EVENTS,
    HEARTBEAT,
    "airline-connect-configs",
    access.OFFSETS_TOPIC,
    access.SIGNAL_TOPIC,
    access.NOTIFICATION_TOPIC,
    "somebody.else",
)
ALL = frozenset(TOPICS)
CONNECTS = frozenset(("airline-connect-configs", access.OFFSETS_TOPIC))
NONE: frozenset[str] = frozenset()
# Principal -> the topics that it reads, and those that it writes. docs/security.md says the same.
REACH = {
    access.ADMIN: (ALL, ALL),
    access.CONNECT: (CONNECTS, CONNECTS),
    access.DEBEZIUM: (
        frozenset((access.OFFSETS_TOPIC, access.SIGNAL_TOPIC)),
        frozenset((EVENTS, HEARTBEAT, access.OFFSETS_TOPIC, access.NOTIFICATION_TOPIC)),
    ),
    access.INGEST: (frozenset((EVENTS,)), NONE),
    access.METRICS: (frozenset((access.OFFSETS_TOPIC,)), NONE),
    access.WATCH: (frozenset((access.OFFSETS_TOPIC,)), NONE),
}
SERVICES = [name for name in REACH if name != access.ADMIN]
_numbers = itertools.count(1)


def client(settings: Settings, principal: str) -> dict:
    return access.options(settings.kafka_bootstrap, principal, settings.secret(principal))


@pytest.fixture(scope="module")
def settings(kafka_broker) -> Settings:
    with closing(KafkaAdminClient(**kafka_broker.client)) as admin:
        missing = set(TOPICS) - set(admin.list_topics())
        if missing:
            admin.create_topics([NewTopic(name, 1, 1) for name in missing])
            admin.wait_for_topics(list(missing))
    with closing(KafkaProducer(**kafka_broker.client)) as producer:
        for sent in [producer.send(name, b"a passenger", partition=0) for name in TOPICS]:
            sent.get(60)
    return kafka_broker.broker.settings


def reads(who: dict) -> frozenset[str]:
    """The topics of which it gets an event."""
    found = set()
    with closing(KafkaConsumer(**who, group_id=None, enable_auto_commit=False)) as consumer:
        # Of others it does not even see that they are there.
        for topic in ALL & consumer.topics():
            consumer.assign([TopicPartition(topic, 0)])
            consumer.seek(TopicPartition(topic, 0), 0)
            try:
                while not (records := consumer.poll(1000)):
                    pass
            except TopicAuthorizationFailedError:
                continue
            found |= {each.topic for each in records}
    return frozenset(found)


def writes(who: dict) -> frozenset[str]:
    """The topics that take an event of it."""
    found = set()
    # An idempotent one is refused before it names a topic, where it may write to none at all.
    with closing(KafkaProducer(**who, enable_idempotence=False, max_block_ms=120_000)) as producer:
        for topic in TOPICS:
            try:
                producer.send(topic, b"forged", partition=0).get(120)
            except TopicAuthorizationFailedError:
                continue
            found.add(topic)
    return frozenset(found)


@pytest.mark.parametrize("principal", REACH)
def test_a_principal_reads_and_writes_its_own_topics_alone(settings, principal):
    """A service that is taken over reads every passenger, or forges what the source never said."""
    who = client(settings, principal)
    assert (reads(who), writes(who)) == REACH[principal]


def test_the_table_has_every_principal():
    """A new principal would be let in without anybody having said what it may not do."""
    assert {each.principal for each in access.grants()} | {access.ADMIN} == set(REACH)
    assert Settings.from_environment({}).kafka_user == access.ADMIN


@pytest.mark.parametrize("principal", SERVICES)
def test_no_service_removes_or_changes_anything(settings, principal):
    """The topics are the warehouse's raw history: one call and it is gone."""
    name = f"mine-{next(_numbers)}"
    before = _kept(settings)
    with closing(KafkaAdminClient(**client(settings, principal))) as admin:
        attacks = (
            lambda: admin.delete_topics([EVENTS]),
            lambda: admin.delete_records({TopicPartition(EVENTS, 0): 1}),
            lambda: admin.delete_groups([access.INGEST_GROUP]),
            lambda: admin.create_topics([NewTopic(name, 1, 1)]),
            lambda: admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(access.ADMIN, access.MECHANISM, "mine")]
            ),
        )
        for attack in attacks:
            # Some are refused by an error, others in an answer.
            with suppress(KafkaError):
                attack()
    # The administration logs in as before, too.
    assert _kept(settings) == before


def _kept(settings: Settings) -> tuple:
    """Topics with what they hold, and the committed offset of a group that has one."""
    partition = TopicPartition(EVENTS, 0)
    who = client(settings, access.ADMIN)
    with closing(
        KafkaConsumer(**who, group_id=access.INGEST_GROUP, enable_auto_commit=False)
    ) as consumer:
        consumer.assign([partition])
        if consumer.committed(partition) is None:
            consumer.commit({partition: OffsetAndMetadata(1, "", -1)})
        return (
            sorted(consumer.topics()),
            consumer.beginning_offsets([partition]),
            consumer.end_offsets([partition]),
            consumer.committed(partition),
        )


@pytest.mark.parametrize("principal", SERVICES)
def test_no_service_takes_the_place_of_another(settings, principal):
    """Whoever commits for the ingester, or begins a transaction as the connector, stops it."""
    who = client(settings, principal)
    own = {each.name for each in access.grants() if each.principal == principal}
    for group in {access.CONNECT_GROUP, access.SIGNAL_GROUP, access.INGEST_GROUP} - own:
        with (
            closing(KafkaConsumer(**who, group_id=group, enable_auto_commit=False)) as consumer,
            pytest.raises(GroupAuthorizationFailedError),
        ):
            consumer.assign([TopicPartition(EVENTS, 0)])
            consumer.commit({TopicPartition(EVENTS, 0): OffsetAndMetadata(0, "", -1)})
    names = {
        access.CONNECT: f"connect-cluster-{access.CONNECT_GROUP}",
        access.DEBEZIUM: f"{access.CONNECT_GROUP}-{access.CONNECTOR}-0",
    }
    for name in (name for owner, name in names.items() if owner != principal):
        with (
            closing(KafkaProducer(**who, transactional_id=name)) as producer,
            pytest.raises(TransactionalIdAuthorizationFailedError),
        ):
            producer.init_transactions()


@pytest.mark.parametrize("port", ["kafka_port", "kafka_controller_port"])
def test_a_stranger_gets_nothing(settings, port):
    """Any process of the machine reads all passengers for ever, and writes what it likes."""
    server = f"{settings.host}:{getattr(settings, port)}"
    logins = [
        {"bootstrap_servers": server},
        access.options(server, access.ADMIN, "admin"),
        access.options(server, access.ADMIN, "adminpassword"),
        access.options(server, access.ADMIN, access.ADMIN, "PLAIN"),
        access.options(server, "ANONYMOUS", "x"),
        # What opens one door opens no other.
        access.options(server, access.ADMIN, settings.secret(access.INGEST)),
    ]
    for login in logins:
        with pytest.raises(KafkaError):
            KafkaAdminClient(**login, bootstrap_timeout_ms=3000).list_topics()


def test_no_password_is_in_the_command_that_formats(monkeypatch):
    """Every account sees the command line of every process."""
    with scratch_folder("airline-doors-") as folder:
        settings = settings_in(folder)
        broker = Broker(settings)
        seen: list[list[str]] = []
        run = runtime.run

        def noted(settings, command, environment, *texts):
            seen.append([*command, *environment.values()])
            for word in command[1:]:
                file = Path(word.removeprefix("@"))
                assert file.stat().st_mode & 0o077 == 0
            run(settings, command, environment, *texts)

        monkeypatch.setattr(runtime, "run", noted)
        broker.configure()
        assert broker.make()
        assert seen and settings.secret(access.ADMIN) not in str(seen)
        assert not list((settings.home / "config").glob("*arguments*"))


BEFORE = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


@pytest.fixture
def former() -> Iterator[Settings]:
    """A stack's Kafka as versions made it that knew no passwords, with events, and stopped."""
    with scratch_folder("airline-doors-") as folder:
        settings = settings_in(folder / "home")
        home.make(settings)
        broker = Broker(settings)
        broker.configure()
        text = BEFORE.format(
            host=settings.host,
            port=settings.kafka_port,
            controller=settings.kafka_controller_port,
            data=broker.data,
        )
        write_configuration(settings, "broker.properties", text)
        runtime.make_folder(settings, broker.data)
        arguments = ("format", f"--cluster-id={'airline'.ljust(22, '0')}")
        command = java_command(
            settings,
            "128m",
            "kafka.tools.StorageTool",
            *arguments,
            f"--config={broker.configuration}",
        )
        runtime.run(settings, command, LANGUAGE, "not formatted", "")
        open_to_all = {"bootstrap_servers": settings.kafka_bootstrap}

        def answers() -> bool:
            try:
                with closing(KafkaAdminClient(**open_to_all, bootstrap_timeout_ms=2000)) as admin:
                    admin.list_topics()
            except (KafkaError, OSError, AssertionError):
                return False
            return True

        process = Running(settings, broker.command, folder / "before.log", answers)
        process.start()
        try:
            with closing(KafkaAdminClient(**open_to_all)) as admin:
                admin.create_topics([NewTopic(EVENTS, 1, 1)])
                admin.wait_for_topics([EVENTS])
            with closing(KafkaProducer(**open_to_all, transactional_id="t")) as producer:
                producer.init_transactions()
                producer.begin_transaction()
                for number in range(1000):
                    producer.send(EVENTS, str(number).encode(), partition=0)
                producer.commit_transaction()
            with closing(
                KafkaConsumer(**open_to_all, group_id=access.INGEST_GROUP, enable_auto_commit=False)
            ) as consumer:
                consumer.assign([TopicPartition(EVENTS, 0)])
                consumer.commit({TopicPartition(EVENTS, 0): OffsetAndMetadata(700, "", -1)})
        finally:
            process.stop()
        yield settings


def test_a_storage_of_before_gets_its_logins_and_loses_nothing(former):
    """After an update nobody comes into Kafka any more, or it has to be made anew."""
    supervisor = Supervisor(former)
    service = Kafka(former)
    supervisor.start([service.program()])
    try:
        bring_up(service, supervisor, Progress())
        with closing(
            KafkaConsumer(
                **client(former, access.INGEST),
                group_id=access.INGEST_GROUP,
                enable_auto_commit=False,
                isolation_level="read_committed",
            )
        ) as consumer:
            partition = TopicPartition(EVENTS, 0)
            consumer.assign([partition])
            assert consumer.committed(partition) == 700
            consumer.seek(partition, 0)
            found: list[bytes] = []
            while len(found) < 1000:
                found += [each.value for each in consumer.poll(1000).get(partition, ())]
        assert found == [str(number).encode() for number in range(1000)]
        with pytest.raises(KafkaError):
            KafkaAdminClient(
                bootstrap_servers=former.kafka_bootstrap, bootstrap_timeout_ms=3000
            ).list_topics()
        # Nothing of the moment in between is left.
        assert not list((former.home / "config").glob("*upgrade*"))
        with closing(KafkaAdminClient(**access.client(former))) as admin:
            known = admin.describe_user_scram_credentials()
        assert set(known) == set(REACH)
        # A second time there is nothing to do.
        pid = supervisor.states()["kafka"].pid
        bring_up(service, supervisor, Progress())
        assert supervisor.states()["kafka"].pid == pid

        # With new secrets, too: somebody may have lost them.
        (former.home / "secrets" / access.ADMIN).unlink()
        assert first_login.is_missing(service.broker)
        bring_up(Kafka(former), supervisor, Progress())
        assert Broker(former).end_offsets([EVENTS]) == {(EVENTS, 0): 1001}
    finally:
        supervisor.stop()


def test_a_kafka_of_somebody_elses_needs_no_login(kafka_broker):
    """The ingester alone would ask a Kafka for a login that has none, or refuse one that has."""
    from ingest import config

    bare = config.read([], {"AIRLINE_KAFKA_BOOTSTRAP": "one:9092,two:9092"})
    assert bare.kafka() == {"bootstrap_servers": ["one:9092", "two:9092"]}
    own = config.read(
        [],
        {
            "AIRLINE_KAFKA_BOOTSTRAP": kafka_broker.client["bootstrap_servers"],
            "AIRLINE_INGEST_KAFKA_USER": access.INGEST,
            "AIRLINE_INGEST_KAFKA_PASSWORD": kafka_broker.broker.settings.secret(access.INGEST),
        },
    )
    with closing(KafkaConsumer(**own.kafka())) as consumer:
        assert "somebody.else" not in consumer.topics()
    assert "kafka_password" not in repr(own)
    with pytest.raises(SystemExit):
        config.read([], {"AIRLINE_INGEST_KAFKA_USER": "somebody"})


def test_the_address_of_another_process_is_no_password(kafka_broker):
    """A process of ours logs in as the administration although it was told another principal."""
    usual = kafka_broker.broker.settings
    told = dataclasses.replace(
        usual,
        kafka_user=access.METRICS,
        kafka_password=access.environment(usual, access.METRICS)["AIRLINE_KAFKA_PASSWORD"],
    )
    with closing(KafkaConsumer(**access.client(told))) as consumer:
        assert access.SIGNAL_TOPIC not in consumer.topics()
