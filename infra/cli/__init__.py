"""The entry point: `./airline VERB`."""
