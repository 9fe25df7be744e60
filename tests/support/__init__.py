"""What several tests need: a warehouse to load, and change events as Debezium writes them."""
