"""Apache Kafka: its jars, its configuration, and what the broker says about itself."""
