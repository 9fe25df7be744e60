"""Everything that can be seen of a stack on one Prometheus endpoint, and the rules for alerts."""
