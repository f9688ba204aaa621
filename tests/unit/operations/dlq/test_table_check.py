"""A dry run says where the tables would send a run now whose dead letter they caused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.lifecycle import RunRequested
from southbound.operations.dlq.close_letters import ClosedLetter
from southbound.operations.dlq.edits.edit_letters import EditedLetter
from southbound.operations.dlq.redriven_message import EditedRecord, redriven_message
from southbound.operations.dlq.table_check import TableCheck
from southbound.settings.settings import KafkaSettings, RoutingSettings, Settings
from tests.builders.runs import a_document
from tests.unit.operations.dlq.test_letters import MARK, a_letter

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ENVELOPE = Envelope(Codec())
REQUESTED = (("ce_type", b"southbound.RunRequested"),)


def a_closed_letter(spec: str, *, code: str = "NO_ROW_MATCHES", value: bytes | None = None) -> ClosedLetter:
    order = RunRequested(run=a_document("TR0001", spec=spec)).model_dump_json(exclude_none=True).encode()
    letter = a_letter(REQUESTED, value=value or order, code=code)
    return ClosedLetter(letter, redriven_message(letter, MARK))


def settings_of(**routing: object) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1"), routing=RoutingSettings.model_validate(routing))


def test_a_run_that_the_tables_decide_now_is_told_from_one_that_fails_again() -> None:
    check = TableCheck(settings=settings_of())
    assert check.line_of(a_closed_letter("fibre-line")).startswith("would go to fibre-lab by outbound-policy@")
    assert check.line_of(a_closed_letter("satellite-link")).startswith("would fail again: NO_ROW_MATCHES: ")
    assert check.summary() == "the tables now decide 1 of 2 requests"


def test_only_requests_that_the_tables_did_not_decide_are_decided() -> None:
    check = TableCheck(settings=settings_of(policy="/does/not/exist.yaml"))
    assert check.line_of(a_closed_letter("fibre-line", code="CALL_TRANSIENT")) == ""
    assert check.line_of(ClosedLetter(a_letter(code="NO_ROW_MATCHES"))) == ""
    assert check.summary() == ""
    assert TableCheck(settings=settings_of()).line_of(a_closed_letter("x", value=b"{}")) == ""


def test_an_edited_request_is_decided_although_the_tables_were_not_its_reason() -> None:
    closed = a_closed_letter("fibre-line", code="INVALID_EVENT")
    edited = EditedLetter(record=EditedRecord(value=b"", key=None, headers=()), mark="/run/mode")
    check = TableCheck(settings=settings_of())
    assert check.line_of(replace(closed, edited=edited)).startswith("would go to fibre-lab by outbound-policy@")


def test_tables_that_cannot_be_read_are_one_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = TableCheck(settings=settings_of(policy=str(tmp_path / "none.yaml")))
    assert [check.line_of(a_closed_letter("fibre-line")) for _ in range(3)] == [""] * 3
    assert capsys.readouterr().err.count("not known whether the tables decide now") == 1
