"""Kafka Connect with Debezium: its configuration, and the connector `airline-connector`."""
