"""The benchmarks work; what they measure is not looked at here."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import landing


def test_the_landing_benchmark_brings_every_event_through(postgres_server, kafka_broker, tmp_path):
    """A benchmark would compare contenders that do not land the same, or not run at all."""
    with ExitStack() as cleanup:
        bench = landing.Bench(postgres_server, kafka_broker, tmp_path, 2_000, cleanup)
        for name, run in landing.contenders(bench).items():
            # The sink is fetched for the benchmark only.
            if name != landing.SINK_NAME:
                assert run().rate > 0, name
