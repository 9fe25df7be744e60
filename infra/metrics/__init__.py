"""All metrics of a stack on one Prometheus endpoint, and the alert rules."""
