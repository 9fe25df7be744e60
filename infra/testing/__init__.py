"""What `./airline test` does: lint and suites."""
