"""What the audit says beside its figures."""

from __future__ import annotations

import pytest

from infra.audit import command, results
from infra.warehouse.pending import Pending


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--as-is"], "without --as-is"), ([], "rest of their transaction")]
)
def test_what_is_not_loaded_is_explained(monkeypatch, capsys, arguments, said):
    """Whoever had everything loaded first would be told to do just that."""
    table = results.TableResult("seats", ["seat_no"], missing=1)
    monkeypatch.setattr(command, "audit", lambda *_, **__: iter([table]))
    monkeypatch.setattr(command, "pending", lambda _: Pending(3, False))
    monkeypatch.setattr(command, "note", lambda *_: None)
    assert command.main(arguments, "", "", lambda _: None) == 1
    shown = capsys.readouterr().out
    assert "3 landed events are not loaded yet" in shown and said in shown
