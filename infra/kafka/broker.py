"""The broker: its command, configuration, storage and topics."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from infra.errors import AirlineError
from infra.kafka import access, artifacts
from infra.settings import Settings
from infra.stack import runtime

HERE = Path(__file__).parent
HEAP = "512m"
# Java decodes file names by the process's locale: with C it does not find paths in Cyrillic.
LANGUAGE = {"LC_ALL": "C.UTF-8"}


def java_command(
    settings: Settings, heap: str, main_class: str, *arguments: str, options: Iterable[str] = ()
) -> list[str]:
    """The command that runs `main_class` of the fetched jars with this maximum heap, and with
    further `options` of Java.
    """
    return [
        str(runtime.java(settings)),
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={settings.home / 'config' / 'log4j2.properties'}",
        *options,
        "-cp",
        artifacts.class_path(settings),
        main_class,
        *arguments,
    ]


def write_configuration(settings: Settings, name: str, text: str) -> bool:
    """Writes a properties file. Returns whether it changed."""
    return write_private(settings, name, "".join(map(_escaped, text)))


def write_private(settings: Settings, name: str, text: str) -> bool:
    """Writes a configuration that has a password. Returns whether it changed."""
    return runtime.write_private(
        runtime.make_folder(settings, settings.home / "config") / name, text
    )


def quoted(text: str) -> str:
    """As Java reads it in a file of arguments or of logins (JAAS)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(character: str) -> str:
    """A character escaped for a properties file, which Java reads as ISO 8859-1."""
    if character.isascii():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class Log(NamedTuple):
    """A partition's log: its first offset, the one after the last committed, its size."""

    topic: str
    partition: int
    first: int
    end: int
    bytes: int


class Broker:
    """The one Kafka node of a stack."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data = settings.home / "data" / "kafka"
        self.configuration = settings.home / "config" / "broker.properties"

    @property
    def command(self) -> list[str]:
        return self.command_with(self.configuration)

    def command_with(self, configuration: Path) -> list[str]:
        return java_command(self.settings, HEAP, "kafka.Kafka", str(configuration))

    def configure(self) -> bool:
        """Writes the configuration. Returns whether it changed: then a restart is due."""
        template = string.Template((HERE / "broker.properties").read_text())
        text = template.substitute(
            host=self.settings.host,
            port=self.settings.kafka_port,
            controller_port=self.settings.kafka_controller_port,
            data=self.data,
            message_bytes=self.settings.message_bytes,
            admin=access.ADMIN,
            mechanism=access.MECHANISM,
            mechanism_key=access.MECHANISM.lower(),
            admin_jaas=access.jaas(self.settings, access.ADMIN),
            controller_password=self.settings.secret(access.CONTROLLER_SECRET),
        )
        logging = (HERE / "log4j2.properties").read_text()
        changed = [
            write_configuration(self.settings, "log4j2.properties", logging),
            write_configuration(self.settings, "broker.properties", text),
        ]
        return any(changed)

    def make(self) -> bool:
        """Formats the storage with the administration's login in it, unless it is formatted.
        Returns whether it did. Needs the configuration.
        """
        if self.is_formatted:
            return False
        runtime.make_folder(self.settings, self.data)
        password = self.settings.secret(access.ADMIN)
        # The cluster's id can be any; a fixed one makes a second try after a kill the same as the
        # first.
        command = java_command(
            self.settings,
            "128m",
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            f"--cluster-id={'airline'.ljust(22, '0')}",
            f"--config={self.configuration}",
            f"--add-scram={access.MECHANISM}=[name={access.ADMIN},password={password}]",
            # Which shows the command line to others of the account, in a file.
            options=("-XX:-UsePerfData",),
        )
        # Everybody on the machine sees a command line.
        name = "format.arguments"
        write_private(self.settings, name, "\n".join(map(quoted, command[1:])))
        file = self.configuration.with_name(name)
        try:
            runtime.run(
                self.settings,
                [command[0], f"@{file}"],
                LANGUAGE,
                f"Kafka's storage in {self.data} could not be formatted",
                "see what it says below; './airline up' tries again",
            )
        finally:
            file.unlink()
        return True

    @property
    def is_formatted(self) -> bool:
        return (self.data / "meta.properties").exists()

    def answers(self, seconds: float = 2) -> bool:
        """Whether the broker takes a connection in so many seconds, and then answers a question
        about its topics.
        """
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            with closing(
                KafkaAdminClient(
                    **access.client(self.settings),
                    bootstrap_timeout_ms=int(seconds * 1000),
                    request_timeout_ms=5000,
                )
            ) as admin:
                admin.list_topics()
        except (KafkaError, OSError, AssertionError):
            return False
        return True

    def make_topics(
        self, names: Iterable[str], partitions: Mapping[str, int] | None = None
    ) -> None:
        """Creates missing topics with unlimited retention; one partition each unless `partitions`
        says more.
        """
        from kafka import KafkaAdminClient
        from kafka.admin import NewTopic
        from kafka.errors import TopicAlreadyExistsError

        with closing(KafkaAdminClient(**access.client(self.settings))) as admin:
            missing = [
                NewTopic(name, (partitions or {}).get(name, 1), 1)
                for name in set(names) - set(admin.list_topics())
            ]
            # Another command may have created it meanwhile.
            with suppress(TopicAlreadyExistsError):
                if missing:
                    admin.create_topics(missing)
                    admin.wait_for_topics([each.name for each in missing])

    def limit_messages(self, prefix: str) -> None:
        """Sets the largest message size of the existing topics with this prefix."""
        from kafka import KafkaAdminClient
        from kafka.admin import ConfigResource, ConfigResourceType

        limit = {"max.message.bytes": str(self.settings.message_bytes)}
        with closing(KafkaAdminClient(**access.client(self.settings))) as admin:
            topics = [
                ConfigResource(ConfigResourceType.TOPIC, name, limit)
                for name in admin.list_topics()
                if name.startswith(prefix)
            ]
            if topics:
                admin.alter_configs(topics)

    def send(self, topic: str, messages: Iterable[tuple[Any, Any]]) -> None:
        """Writes each (key, value) to the topic in order; values, and keys that are no text, as
        JSON. Raises AirlineError at the first that the broker does not accept.
        """
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        with closing(KafkaProducer(**access.client(self.settings), acks="all")) as producer:
            for key, value in messages:
                try:
                    producer.send(
                        topic,
                        key=(key if isinstance(key, str) else json.dumps(key)).encode(),
                        value=json.dumps(value).encode(),
                    ).get(timeout=60)
                except KafkaError as error:
                    raise AirlineError(
                        f"a message could not be written to the topic {topic} ({error})",
                        "see './airline status'; the same command tries again",
                    ) from None

    def end_offsets(self, topics: Iterable[str], seconds: float = 30) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset after the last committed message; topics that exist only.

        Each answer of the broker may take so many `seconds`, or KafkaError is raised.
        """
        from kafka import KafkaConsumer, TopicPartition

        with closing(
            KafkaConsumer(
                **access.client(self.settings),
                isolation_level="read_committed",
                enable_auto_commit=False,
                group_id=None,
                bootstrap_timeout_ms=int(seconds * 1000),
                request_timeout_ms=int(seconds * 1000),
            )
        ) as consumer:
            there = set(consumer.topics())
            partitions = [
                TopicPartition(topic, partition)
                for topic in topics
                if topic in there
                for partition in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            ends = consumer.end_offsets(partitions) if partitions else {}
        return {(each.topic, each.partition): end for each, end in ends.items()}

    def logs(self) -> list[Log]:
        """Each partition of every topic but Kafka's own (`__…`)."""
        from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

        with closing(
            KafkaConsumer(
                **access.client(self.settings),
                isolation_level="read_committed",
                enable_auto_commit=False,
                group_id=None,
            )
        ) as consumer:
            names = [name for name in consumer.topics() if not name.startswith("__")]
            there = [
                TopicPartition(name, partition)
                for name in names
                for partition in consumer.partitions_for_topic(name) or ()
            ]
            first = consumer.beginning_offsets(there) if there else {}
            ends = consumer.end_offsets(there) if there else {}
        sizes: dict[tuple[str, int], int] = {}
        with closing(KafkaAdminClient(**access.client(self.settings))) as admin:
            for broker in admin.describe_log_dirs():
                for folder in broker["log_dirs"]:
                    for topic in folder["topics"]:
                        for each in topic["partitions"]:
                            sizes[topic["name"], each["partition_index"]] = each["partition_size"]
        return [
            Log(*each, first[each], ends[each], sizes.get((each.topic, each.partition), 0))
            for each in there
        ]
