"""Source transactions whose end will never come: the connector forgot its place in their middle.

A load holds a transaction back until its END is there, and with it all that follows in its tables,
for a while (the variable transaction_patience). A snapshot brings what is missing, so the end is
written here.
"""

from __future__ import annotations

from typing import Any

import catalogue
from infra.kafka.broker import Broker
from infra.repair.missed_deletes import CONNECTOR
from infra.settings import Settings
from infra.warehouse.service import Warehouse

CUT = """
select begun.key, begun.value
from staging.transaction as begun
where
    begun.value ->> 'status' = 'BEGIN'
    -- what is no mark of Debezium's names no transaction
    and begun.value ->> 'id' ~ '^[0-9]{1,18}(:[0-9]{0,18})?$'
    and not exists (
        select from staging.transaction as ended
        where
            ended.value ->> 'status' = 'END'
            and split_part(ended.value ->> 'id', ':', 1) = split_part(begun.value ->> 'id', ':', 1)
    )
order by begun.kafka_offset
"""


def find(settings: Settings) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(key, value) of the END of each transaction that has none.

    The connector must be stopped, and staging have all that it has sent.
    """
    cut = Warehouse(settings).server.query(CUT, dbname=settings.dwh_db)
    # As many events as have come are all that there will be: none is counted.
    end = {"status": "END", "event_count": None, "data_collections": [], "connector": CONNECTOR}
    return [(key, begun | end) for key, begun in cut]


def end(settings: Settings) -> int:
    """Ends each of them in the topic of the transactions; returns how many."""
    cut = find(settings)
    Broker(settings).send(catalogue.topic(catalogue.TRANSACTION), cut)
    return len(cut)
