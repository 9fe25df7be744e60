"""Lands Kafka change events in the warehouse's `staging` schema, each exactly once.

Read in this order: config (settings), schema (the tables it writes), consume (reads from Kafka),
land (writes to the warehouse), encode and poison (how a batch becomes rows), faults (which errors
are retried), broker, watch and metrics (monitoring), dead_letters (decisions about refused events).
"""
