"""What retention learns from the models' YAML: which tables still need old load batches."""

from __future__ import annotations

import pytest

from infra.errors import AirlineError
from infra.settings import ROOT
from infra.warehouse import load_batch_readers
from infra.warehouse.load_batch_readers import Reader

MODEL = """
models:
  - name: sales_by_month
    config:
      schema: reports
      meta: {last_load_batch: batch}
  - name: other
"""


def test_a_model_that_remembers_a_load_batch_is_found(tmp_path):
    """Retention drops the batches by which a mart finds what changed, and its figures stay old."""
    folder = tmp_path / "models" / "any"
    folder.mkdir(parents=True)
    (folder / "sales.yml").write_text(MODEL)
    assert load_batch_readers.readers(tmp_path) == [Reader("reports", "sales_by_month", "batch")]
    (folder / "sales.yml").write_text(MODEL.replace("      schema: reports\n", ""))
    with pytest.raises(AirlineError, match="sales_by_month and no schema"):
        load_batch_readers.readers(tmp_path)


def test_what_the_project_declares_is_in_yaml():
    """A declaration in a model's SQL is read by nobody, and retention drops what the mart needs."""
    assert load_batch_readers.readers() != []
    in_sql = [
        str(file)
        for file in (ROOT / "models").rglob("*.sql")
        if load_batch_readers.KEY in file.read_text()
    ]
    assert in_sql == []
