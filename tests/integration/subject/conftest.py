"""The pipelines of the ingester's tests: database, topics, ingester processes."""

from tests.integration.ingest.conftest import pipeline

__all__ = ["pipeline"]
