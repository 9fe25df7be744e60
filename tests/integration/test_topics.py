"""What `topics` reads from a real broker."""

from __future__ import annotations


def test_the_log_of_every_partition_is_told(kafka_broker):
    """A partition that holds events is shown as empty, or not at all."""
    name = "test.public.topics_verb"
    kafka_broker.broker.make_topics([name], {name: 2})
    # One key, so one partition.
    kafka_broker.broker.send(name, [("key", {"number": n}) for n in range(20)])
    told = [each for each in kafka_broker.broker.logs() if each.topic == name]
    assert sorted(each.partition for each in told) == [0, 1]
    full, empty = sorted(told, key=lambda each: -each.end)
    assert (full.first, full.end) == (0, 20) and full.bytes > 20
    assert (empty.first, empty.end, empty.bytes) == (0, 0, 0)
