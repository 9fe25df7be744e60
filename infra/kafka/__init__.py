"""Apache Kafka: its jars, its configuration, and queries to the broker."""
