"""The list of dead letters is readable at every width, and what is copied from it is whole."""

from __future__ import annotations

import pytest

from schemas.codec.cloudevents import MEDIA_TYPE
from southbound.operations.dlq.letter_status import ClosedLetters
from southbound.operations.dlq.list_letters import LetterFigures, print_letters
from tests.unit.operations.dlq.test_letters import NAMES, a_letter

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
    assert {RUN, "NO_ROW_MATCHES", "lifecycle", "open"} <= {*shown.split()}
    assert "two lines" in shown
    assert REASON in shown
    beside = columns == 240
    assert len(shown.splitlines()) == (3 if beside else 5)


def test_a_list_fits_into_120_columns_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    letter = a_letter(run=RUN, code="NO_ROW_MATCHES", reason=REASON * 5, topic=NAMES.dispatch("fibre-lab"))
    print_letters([letter], ClosedLetters(), closed_too=True)
    head, row, reason = capsys.readouterr().out.splitlines()
    assert max(map(len, (head, row, reason))) <= 120
    assert "dispatch.fibre-lab" in row
    assert reason.endswith("…")


def test_a_group_of_dead_letters_names_its_producer_or_counts_them() -> None:
    figures = LetterFigures()
    for source in ("/orders", "/orders", ""):
        figures.add(a_letter((("ce_source", source.encode()),) if source else ()))
    assert figures.source_text == "/orders"
    figures.add(a_letter((("content-type", MEDIA_TYPE.encode()),), value=b'{"source": "/desk", "data": {}}'))
    assert (figures.source_text, figures.as_json()["sources"]) == ("2 producers", ["/desk", "/orders"])
