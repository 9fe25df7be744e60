"""Everything that runs the parts: the entry point, the source, Kafka, Connect, the warehouse."""
