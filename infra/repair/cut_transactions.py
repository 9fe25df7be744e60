"""Source transactions whose end will never come: the connector forgot its place in their middle.

A load holds a transaction back until its END is there, and with it all that follows in its tables,
for a while (the variable transaction_patience). A snapshot brings what is missing, so the end is
written here.
"""

from __future__ import annotations

from typing import Any

import catalogue
from infra.kafka.broker import Broker
from infra.postgres import sessions
from infra.repair.missed_deletes import CONNECTOR
from infra.settings import Settings
from infra.warehouse import dbt_dsn

# One pass over the markers: joined with themselves, by a value that the planner knows nothing of,
# each would be compared with each.
CUT = """
select mark.key, mark.value
from (
    select
        raw.kafka_offset,
        raw.key,
        raw.value,
        bool_or(raw.value ->> 'status' = 'END')
            over (partition by split_part(raw.value ->> 'id', ':', 1)) as has_ended
    from staging.transaction as raw
    where raw.value ->> 'status' in ('BEGIN', 'END')
) as mark
where
    mark.value ->> 'status' = 'BEGIN'
    and not mark.has_ended
    -- what is no mark of Debezium's names no transaction
    and mark.value ->> 'id' ~ '^[0-9]{1,18}(:[0-9]{0,18})?$'
order by mark.kafka_offset
"""


def find(settings: Settings) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(key, value) of the END of each transaction that has none.

    The connector must be stopped, and staging have all that it has sent.
    """
    cut = sessions.query(dbt_dsn(settings), CUT)
    # As many events as have come are all that there will be: none is counted.
    end = {"status": "END", "event_count": None, "data_collections": [], "connector": CONNECTOR}
    return [(key, begun | end) for key, begun in cut]


def end(settings: Settings) -> int:
    """Ends each of them in the topic of the transactions; returns how many."""
    cut = find(settings)
    Broker(settings).send(catalogue.topic(catalogue.TRANSACTION), cut)
    return len(cut)
