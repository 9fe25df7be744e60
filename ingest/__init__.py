"""Lands Kafka change events in the warehouse's `staging` schema, each exactly once.

Read in this order: config (what it is told), schema (what it writes), consume (Kafka in),
land (warehouse out), encode and poison (how a batch becomes rows), faults (what can go wrong),
broker, watch and metrics (what is noticed and shown), dead_letters (what a person decides).
"""
