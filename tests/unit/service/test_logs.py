"""The log is JSON for programs and text for a terminal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import orjson
import pytest
import structlog

from consumers.northbound.access.audit import AuditEntry, AuditLog
from consumers.northbound.access.authenticator import AuthenticatedClient
from router.northbound.principal import LOCAL_PRINCIPAL
from southbound.service.logs import configure_logs
from southbound.settings.settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROLS = "a\x1b[31m\x07\x9b\u202eb\u2066\x7f\u200f"


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Restore the logging configuration after the test."""
    before, handlers = structlog.get_config(), [*logging.getLogger().handlers]
    yield
    structlog.configure(**before)
    logging.getLogger().handlers = handlers


def log_lines(
    capsys: pytest.CaptureFixture[str],
    format_: Literal["auto", "json", "console"],
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> list[str]:
    configure_logs(LogSettings(format=format_, level=level))
    log = structlog.get_logger()
    log.debug("looked")
    log.info("run ended", run="TR0001", attempt=2)
    log.warning("waiting", reason="no broker")
    out, err = capsys.readouterr()
    assert out == ""  # standard output is for the result of a command
    return err.splitlines()


def test_json_is_one_object_per_event_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = [orjson.loads(line) for line in log_lines(capsys, "json")]
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "run ended", "level": "info", "run": "TR0001", "attempt": 2}
    assert (second["event"], second["level"], second["reason"]) == ("waiting", "warning", "no broker")


def test_console_is_text_with_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = log_lines(capsys, "console")
    assert "run ended" in first
    assert {"attempt=2", "run=TR0001"} <= {*first.split()}
    assert not first.startswith("{")


def test_auto_is_json_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert orjson.loads(log_lines(capsys, "auto")[0])["event"] == "run ended"


@pytest.mark.parametrize("format_", ["json", "console"])
def test_events_below_the_level_are_not_written(
    capsys: pytest.CaptureFixture[str], format_: Literal["json", "console"]
) -> None:
    (line,) = log_lines(capsys, format_, level="warning")
    assert "waiting" in line


def test_a_warning_of_a_library_is_one_event_without_the_text_of_its_exception(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogSettings(format="json"))
    configure_logs(LogSettings(format="json"))
    try:
        int("Bearer hunter2")
    except ValueError:
        # A new logger: import-linter, which another test runs, disables all loggers that exist by then.
        logging.getLogger("some.library").exception("Error handling request from %s\nand more", "10.0.0.1")
    logging.getLogger("some.library").info("not an event")
    (line,) = capsys.readouterr().err.splitlines()
    entry = orjson.loads(line)
    assert (entry["event"], entry["level"], entry["library"]) == ("library warning", "error", "some.library")
    assert (entry["message"], entry["error"]) == ("Error handling request from 10.0.0.1", "ValueError")
    assert "test_logs.py" in entry["detail"]
    assert "hunter2" not in line


def test_control_characters_in_a_name_are_escaped_on_a_console(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="console"))
    structlog.get_logger().info("run ended", run="TR\x1b[2J\n1")
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b[2J" not in line
    assert "TR·[2J·1" in line


def test_logs_in_json_have_no_control_characters(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    configure_logs(LogSettings(format="json"))
    structlog.get_logger().warning("odd", run=CONTROLS)
    written = capsysbinary.readouterr().err.decode()
    assert written.rstrip("\n").isprintable()
    assert orjson.loads(written)["run"] == CONTROLS


def test_the_audit_log_is_written_at_every_level_unless_it_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    client = AuthenticatedClient(principal=LOCAL_PRINCIPAL, credential="none")
    entry = AuditEntry(
        client=client,
        address="127.0.0.1",
        method="POST",
        path="/serviceTest",
        run="TR0001",
        status=201,
        outcome="accepted",
        correlation_id="C1",
    )
    for audit, lines in ((True, 1), (False, 0)):
        configure_logs(LogSettings(format="json", level="error"), audit=audit)
        AuditLog().write(entry)
        assert len(capsys.readouterr().err.splitlines()) == lines
    structlog.get_logger().error("an error")
    assert "an error" in capsys.readouterr().err
