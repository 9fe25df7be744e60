"""A rebalance that takes longer than a poll, as on a busy machine."""

from __future__ import annotations

# Answers of the group that arrive a second late: no join ends within the poll that began it.
LATE = """
import sys
from kafka.coordinator.base import BaseCoordinator
from ingest import __main__

in_time = BaseCoordinator._do_join_and_sync_async

async def late(coordinator):
    answer = await in_time(coordinator)
    await coordinator._net.sleep(1)
    return answer

BaseCoordinator._do_join_and_sync_async = late
sys.exit(__main__.main(sys.argv[1:]))
"""


def test_a_topic_found_while_running_is_landed_however_long_the_join_takes(pipeline):
    """The client would forget the join it is in, drop out of the group and land nothing more."""
    pipeline.produce("airports", [(b'{"id": 1}', b'{"n": 1}')])
    ingester = pipeline.start(python=("-c", LATE))
    pipeline.wait_landed("airports")
    pipeline.produce("seats", [(b'{"id": 1}', b'{"n": 1}')])
    pipeline.wait_landed("seats")
    pipeline.produce("airports", [(b'{"id": 2}', b'{"n": 2}')])
    pipeline.wait_landed("airports")
    assert ingester.terminate() == 0
