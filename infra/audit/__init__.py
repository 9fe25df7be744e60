"""Source against vault, row for row."""
