"""The list of dead letters is readable at every width, and what is copied from it is whole."""

from __future__ import annotations

import pytest

from southbound.operations.dlq.letter_status import ClosedLetters
from southbound.operations.dlq.list_letters import print_letters
from tests.unit.operations.dlq.test_letters import a_letter

RUN = "f39e5e3e-1f7b-59ec-9aa8-6d0e6897db50"
REASON = "no row of spoke-selector matches and it has no default: add a row or a default"


@pytest.mark.parametrize("columns", [20, 80, 140, 240])
def test_ids_and_codes_are_never_shortened(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    letters = [a_letter(run=RUN, code="NO_ROW_MATCHES", reason=REASON), a_letter(key=b"two\nlines", run="")]
    print_letters(letters, ClosedLetters(), closed_too=True)
    shown = capsys.readouterr().out
    assert {RUN, "NO_ROW_MATCHES", "testrun.lifecycle", "open"} <= {*shown.replace("acme.", "").split()}
    assert "two lines" in shown
    assert REASON in shown
    beside = columns == 240
    assert len(shown.splitlines()) == (3 if beside else 5)
