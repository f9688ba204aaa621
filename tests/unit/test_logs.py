"""Machines read the log as JSON, people as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import orjson
import pytest
import structlog

from southbound.logs import configure_logs
from southbound.settings import Log

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Let no other test log in the way of this one."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def written(
    capsys: pytest.CaptureFixture[str],
    format_: Literal["auto", "json", "console"],
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> list[str]:
    configure_logs(Log(format=format_, level=level))
    log = structlog.get_logger()
    log.debug("looked")
    log.info("run ended", run="TR0001", attempt=2)
    log.warning("waiting", reason="no broker")
    out, err = capsys.readouterr()
    assert out == ""  # standard output belongs to what a command was asked for
    return err.splitlines()


def test_json_is_one_object_per_event_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = [orjson.loads(line) for line in written(capsys, "json")]
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "run ended", "level": "info", "run": "TR0001", "attempt": 2}
    assert (second["event"], second["level"], second["reason"]) == ("waiting", "warning", "no broker")


def test_console_is_text_with_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = written(capsys, "console")
    assert "run ended" in first
    assert {"attempt=2", "run=TR0001"} <= {*first.split()}
    assert not first.startswith("{")


def test_auto_is_json_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert orjson.loads(written(capsys, "auto")[0])["event"] == "run ended"


@pytest.mark.parametrize("format_", ["json", "console"])
def test_what_is_below_the_level_is_not_written(
    capsys: pytest.CaptureFixture[str], format_: Literal["json", "console"]
) -> None:
    (line,) = written(capsys, format_, level="warning")
    assert "waiting" in line
