"""Commands show the contents of the run store as text and as JSON."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from consumers.store.sql_store import open_store
from router.responses import Purpose
from router.runs.checks.cancellation import follow
from router.runs.checks.watch import Missing, begin
from router.runs.failed_attempt import FailedAttempt
from router.runs.notifications.build import build_update
from router.runs.notifications.last_notification import remember_notifications
from router.runs.run import RequestRow
from router.tables.explain.explanation import CellComparison, Explanation, MatchedRow, NearMiss, dump_explanations
from schemas.results import Reason, ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState, UpdateKind
from southbound.exit_codes import ExitCode
from southbound.operations.run_views import StoredRun, format_time, run_details, status_sentences
from tests.builders.runs import NOON, TREE, a_document, a_run
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs.run import RunRow

MEASURE = ReportedMeasure(
    id="TM-1", id_origin=MeasureIdOrigin.REPORTED, metric_name="rx power", value=-17.5, unit_of_measure="dBm"
)
NO_KAFKA = "127.0.0.1:1"  # refuses connections
EXPLANATION = "outbound-policy: row R10 because spec is fibre-tree"


def rows() -> list[RunRow | RequestRow]:
    root = a_run(
        "TR0001",
        phase=Phase.FULFILLED,
        state=RunState.COMPLETED,
        result=Result.PASS,
        decision=TREE,
        measures=(MEASURE,),
        reasons=(Reason(code="LATE", message="it took long"),),
    )
    child = a_run(phase=Phase.RETRYING, decision=TREE, document=a_document("TR0001-1", parent="TR0001"))
    other = a_run("TR0002", phase=Phase.FALLOUT, request_id="RQ0002", spoke="copper-lab")
    request = RequestRow(
        request_id="RQ0001",
        root_run_id="TR0001",
        tenant=None,
        spoke="fibre-lab",
        decision=TREE,
        explanation=EXPLANATION,
        created_at=NOON,
    )
    return [request, root, child, other]


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store with three runs."""
    url = f"sqlite:///{tmp_path}/runs.db"

    async def fill() -> None:
        opened = await open_store(url)
        await opened.save(*rows())
        await opened.close()

    asyncio.run(fill())
    return url


def test_list_shows_a_line_per_run(store: str) -> None:
    result = southbound("runs", "list", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == ExitCode.SUCCESS
    [line] = [line for line in result.stdout.splitlines() if line.startswith("TR0001 ")]
    assert line.split()[:6] == ["TR0001", "fulfilled", "completed", "pass", "fibre-lab", "ext-TR0001"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--phase", "fallout"], {"TR0002"}),
        (["--spoke", "fibre-lab"], {"TR0001", "TR0001-1"}),
        (["--spoke", "nobody"], set()),
    ],
)
def test_list_filters_by_its_options(store: str, options: list[str], expected: set[str]) -> None:
    result = southbound("runs", "list", "--json", *options, SOUTHBOUND_STORE__URL=store)
    assert {json.loads(line)["run_id"] for line in result.stdout.splitlines()} == expected


def test_a_list_that_leaves_runs_out_says_so_and_they_can_be_counted(store: str) -> None:
    shortened = southbound("runs", "list", "--limit", "2", SOUTHBOUND_STORE__URL=store)
    assert "the 2 of 3 runs that were updated last" in shortened.stderr
    assert not southbound("runs", "list", "--limit", "4", SOUTHBOUND_STORE__URL=store).stderr
    of_spoke = southbound("runs", "list", "--limit", "1", "--spoke", "fibre-lab", SOUTHBOUND_STORE__URL=store)
    assert "the 1 of 2 runs" in of_spoke.stderr
    of_phase = southbound("runs", "list", "--limit", "1", "--phase", "fallout", SOUTHBOUND_STORE__URL=store)
    assert not of_phase.stderr
    counted = southbound("runs", "list", "--count", SOUTHBOUND_STORE__URL=store).stdout
    assert counted.startswith("3 runs: 1 ")
    words = ("runs", "list", "--count", "--spoke", "fibre-lab", "--json")
    assert json.loads(southbound(*words, SOUTHBOUND_STORE__URL=store).stdout) == {"fulfilled": 1, "retrying": 1}
    assert southbound("runs", "list", "--count", "--phase", "routed", SOUTHBOUND_STORE__URL=store).stdout == "0 runs\n"


def test_a_set_of_runs_is_verified_and_what_is_missing_is_named(store: str, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("TR0001\n\n TR0002 \nTR0001\n")
    there = southbound("runs", "list", "--ids", str(file), "--count", SOUTHBOUND_STORE__URL=store)
    assert (there.exit_code, there.stdout) == (ExitCode.SUCCESS, "2 runs: 1 fulfilled, 1 fallout\n")
    missing = southbound("runs", "list", "--ids", "-", "--json", stdin="TR0001\nTR9", SOUTHBOUND_STORE__URL=store)
    assert missing.exit_code == ExitCode.INVALID_INPUT
    assert json.loads(missing.stdout)["run_id"] == "TR0001"
    assert "does not have 1 of 2 runs: TR9" in missing.stderr
    many = southbound("runs", "list", "--ids", "-", stdin="\n".join(map(str, range(600))), SOUTHBOUND_STORE__URL=store)
    assert "does not have 600 of 600 runs: 0, 1" in many.stderr


def test_list_refuses_an_unknown_phase(store: str) -> None:
    result = southbound("runs", "list", "--phase", "fallen", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "there are created, routed" in result.stderr


@pytest.mark.parametrize(
    "expected",
    [
        "outbound-policy@1#R10",
        EXPLANATION,
        "ONDEMAND",
        "TM-1",
        "-17.5",
        "rx power",
        "LATE: it took long",
        "fibre-line",
        "TR0001-1",
    ],
)
def test_show_prints_all_fields(store: str, expected: str) -> None:
    result = southbound("runs", "show", "TR0001", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == ExitCode.SUCCESS
    assert expected in result.stdout


def test_show_prints_the_definitions_for_which_a_run_waits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    reason = Reason(code="WAITS_FOR_THRESHOLD", message="it is used up until one o'clock")
    row = a_run(phase=Phase.WAITING, decision=None, spoke="", reasons=(reason,), waits_for=("s#S10",))

    async def fill() -> None:
        opened = await open_store(url)
        await opened.save(row)
        await opened.close()

    asyncio.run(fill())
    output = southbound("runs", "show", "TR0001", SOUTHBOUND_STORE__URL=url).stdout
    assert "waits for" in output
    assert "s#S10" in output
    assert "WAITS_FOR_THRESHOLD: it is used up until one o'clock" in output
    assert "TR0001" in southbound("runs", "list", "--phase", "waiting", SOUTHBOUND_STORE__URL=url).stdout


def test_show_prints_all_fields_as_json(store: str) -> None:
    result = southbound("runs", "show", "TR0001", "--json", SOUTHBOUND_STORE__URL=store)
    run = json.loads(result.stdout)
    assert run["run"]["measures"][0]["value"] == -17.5
    assert run["run"]["result"] == "pass"
    assert run["request"]["explanation"] == EXPLANATION
    assert run["runs_of_request"] == ["TR0001", "TR0001-1"]


def test_an_unknown_run_is_one_sentence(store: str) -> None:
    result = southbound("runs", "show", "TR9", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "has no run TR9" in result.stderr


@pytest.mark.parametrize("run_id", ["TR9", "TR 9"])
def test_the_sentence_about_an_unknown_run_has_the_command_that_finds_its_dead_letter(store: str, run_id: str) -> None:
    """It named `southbound tail dlq`, which shows only what arrives from now on, and does not end."""
    result = southbound("runs", "show", run_id, SOUTHBOUND_STORE__URL=store)
    command = re.findall("`southbound ([^`]+)`", result.stderr)[-1]
    assert shlex.split(command) == ["dlq", "list", "--run", run_id]


def test_a_store_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    result = southbound("runs", "list", SOUTHBOUND_STORE__URL=f"sqlite:///{tmp_path}/none.db")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "There is no run store" in result.stderr
    assert list(tmp_path.iterdir()) == []


def why_output(store: str, run_id: str, *options: str) -> str:
    result = southbound("why", run_id, *options, SOUTHBOUND_STORE__URL=store, SOUTHBOUND_KAFKA__BOOTSTRAP=NO_KAFKA)
    assert result.exit_code == ExitCode.SUCCESS, result.stderr
    return result.stdout


def test_why_prints_the_decision_and_the_phase_of_a_run(store: str) -> None:
    answer, _, *lines = why_output(store, "TR0001").splitlines()
    assert answer.startswith("TR0001 has ended: fibre-lab has completed it with the result pass, since 2026-11-")
    assert lines[0].startswith("TR0001 goes to fibre-lab, decided by outbound-policy@1#R10 (whole hierarchy, per-run)")
    assert lines[1] == f"  {EXPLANATION}"
    assert lines[2] == "TR0001 is in phase fulfilled"
    assert lines[3].startswith("  fibre-lab has completed it with the result pass, since 2026-11-")
    assert lines[4] == "  because LATE: it took long"


def test_why_of_a_child_refers_to_its_root(store: str) -> None:
    output = why_output(store, "TR0001-1")
    assert "TR0001-1 goes to fibre-lab: it follows its root TR0001, decided by outbound-policy@1#R10" in output
    assert output.startswith("TR0001-1 does not move: the last attempt at fibre-lab failed; it is retried, since 2026-")
    assert "Its records are not known: " in output
    assert json.loads(why_output(store, "TR0001-1", "--json"))["follows_root"] is True


def test_why_of_a_run_without_a_request_says_that_it_is_not_decided(store: str) -> None:
    output = why_output(store, "TR0002")
    assert output.startswith("TR0002 does not move: it needs a person")
    assert "TR0002 is not routed yet\n" in output
    assert "it needs a person: correct the cause and redrive its dead letter" in output


def test_why_and_show_read_compact_explanations(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    comparison = CellComparison("spec", "fibre-tree", "fibre-tree, fibre-flat")
    close = NearMiss(row="R5", mismatches=(CellComparison("mode", "ONDEMAND", "PROACTIVE"),))
    policy = Explanation(
        reference=TREE.policy, rows=(MatchedRow(row="R10", cells=(comparison,)),), near_misses=(close,)
    )

    async def fill() -> None:
        opened = await open_store(url)
        request = next(row for row in rows() if isinstance(row, RequestRow))
        await opened.save(replace(request, explanation=dump_explanations([policy])), rows()[1])
        await opened.close()

    asyncio.run(fill())
    sentence = "R5 would have matched but `mode` is ONDEMAND, the cell requires PROACTIVE"
    for command in (["why"], ["runs", "show"]):
        assert sentence in southbound(*command, "TR0001", SOUTHBOUND_STORE__URL=url).stdout
    run = json.loads(southbound("runs", "show", "TR0001", "--json", SOUTHBOUND_STORE__URL=url).stdout)
    assert run["request"]["explanation"].splitlines() == policy.sentences
    found = json.loads(southbound("why", "TR0001", "--json", SOUTHBOUND_STORE__URL=url).stdout)
    assert found["decisions"][0]["near_misses"][0]["row"] == "R5"
    assert found["sentences"] == policy.sentences


def test_why_of_an_unknown_run_is_one_sentence(store: str) -> None:
    result = southbound("why", "TR9", SOUTHBOUND_STORE__URL=store, SOUTHBOUND_KAFKA__BOOTSTRAP=NO_KAFKA)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "has no run TR9" in result.stderr


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_sentence(phase: Phase) -> None:
    child = a_run(phase=phase, document=a_document("TR0001-1", parent="TR0001", version=3), cancel_requested=True)
    sentences = status_sentences(replace(child, sent=a_document("TR0001-1", version=2)))
    assert "since" in sentences[0]
    assert "version 3 is requested, and version 2 was sent to fibre-lab" in sentences
    assert ("its cancellation was requested" in sentences) == (phase is not Phase.CANCELLED)


def test_a_run_that_was_accepted_without_an_id_is_not_said_to_have_one() -> None:
    (sentence, *_) = status_sentences(a_run(phase=Phase.ACCEPTED, external_id=None))
    assert sentence.startswith("fibre-lab has accepted it without naming an id")


def test_a_run_in_doubt_is_not_said_to_have_had_no_response_because_it_may_have_had_one() -> None:
    (sentence, *_) = status_sentences(a_run(phase=Phase.IN_DOUBT))
    assert sentence.startswith("it is not known whether a POST reached fibre-lab")


def test_a_waiting_run_names_its_definitions_and_its_children_wait_with_it() -> None:
    assert "in the queue for s#S1, s#S2" in status_sentences(a_run(phase=Phase.WAITING, waits_for=("s#S1", "s#S2")))[0]
    child = a_run(phase=Phase.WAITING, document=a_document("TR0001-1", parent="TR0001"))
    assert "it waits with its root TR0001" in status_sentences(child)[0]


@pytest.mark.parametrize("kind", [UpdateKind.FALLOUT, UpdateKind.IN_DOUBT, UpdateKind.CHANGE_REFUSED])
def test_why_and_show_name_the_reasons_of_what_was_published_last(kind: UpdateKind) -> None:
    row = a_run(phase=Phase.FALLOUT)
    update = build_update(row, kind, (Reason(code="CALL_503", message="busy\x07"),))
    row = remember_notifications(row, [update], cause="E1", process_id="process")
    (sentence,) = [each for each in status_sentences(row) if "CALL_503: busy" in each]
    assert sentence.startswith(f"published last: {kind} at ")
    console = Console(width=200)
    with console.capture() as capture:
        console.print(run_details(StoredRun(row=row, request=None, related_runs=(), timeline=())))
    assert "CALL_503: busy" in capture.get()
    assert "\x07" not in capture.get()


def test_why_names_since_when_a_cancellation_is_accepted_and_when_the_run_is_asked_for() -> None:
    row = a_run(phase=Phase.ACCEPTED, cancel_requested=True, cancellation=follow(None, NOON))
    accepted, asked = format_time(NOON), format_time(NOON + timedelta(seconds=10))
    expected = f"its cancellation was requested, and accepted at {accepted}: the run is asked for at {asked}"
    assert expected in status_sentences(row)


def test_why_and_show_name_the_next_check_of_a_run_and_what_it_is_for() -> None:
    row = a_run(phase=Phase.ACCEPTED, watch=begin(Missing.EXTERNAL_ID, NOON, 600))
    (sentence,) = [each for each in status_sentences(row) if each.startswith("next check ")]
    waited = f"its system has not named its id (/id in mapping.receive of its profile) since {format_time(NOON)}"
    assert sentence.endswith(f"{waited}, 0 checks answered so far, beside polls and notifications")


@pytest.mark.parametrize("phase", [Phase.RETRYING, Phase.IN_DOUBT, Phase.FALLOUT, Phase.SENDING])
def test_why_and_show_name_the_last_attempt_and_the_next(phase: Phase) -> None:
    failed = FailedAttempt(number=3, at=NOON, next_at=NOON, code="CALL_TRANSIENT", message="busy\x07")
    row = a_run(phase=phase, failed_attempt=failed)
    console = Console(width=250)
    with console.capture() as capture:
        console.print(run_details(StoredRun(row=row, request=None, related_runs=(), timeline=())))
    for text in ("\n".join(status_sentences(row)), capture.get()):
        assert f"number 3 at {format_time(NOON)}: CALL_TRANSIENT: busy" in text
        assert ("next attempt" in text) == (phase in {Phase.RETRYING, Phase.IN_DOUBT})
    assert "\x07" not in capture.get()


@pytest.mark.parametrize("purpose", [Purpose.CHANGE, Purpose.CANCEL])
@pytest.mark.parametrize("phase", [Phase.ACCEPTED, Phase.IN_PROGRESS, Phase.FALLOUT])
def test_why_and_show_name_the_attempts_at_a_change_or_cancellation_that_waits(phase: Phase, purpose: Purpose) -> None:
    failed = FailedAttempt(
        number=3,
        at=NOON,
        next_at=NOON + timedelta(minutes=1),
        code="CALL_TRANSIENT",
        message="The change could not be sent",
        purpose=purpose,
        first_at=NOON - timedelta(hours=1),
    )
    row = a_run(phase=phase, failed_attempt=failed)
    console = Console(width=250)
    with console.capture() as capture:
        console.print(run_details(StoredRun(row=row, request=None, related_runs=(), timeline=())))
    for text in ("\n".join(status_sentences(row)), capture.get()):
        assert f"number 3 at {format_time(NOON)}: CALL_TRANSIENT: The change could not be sent" in text
        assert format_time(NOON + timedelta(minutes=1)) in text
        assert format_time(NOON - timedelta(hours=1)) in text
        assert "first attempt" in text


def test_a_root_that_waits_for_children_says_for_how_many() -> None:
    root = a_run(phase=Phase.CREATED, document=a_document(child_run_ids=("A", "B")))
    assert status_sentences(root)[0].startswith("it waits for the 2 children that it lists")


@pytest.mark.parametrize("command", ["runs list", "runs show", "why"])
def test_control_characters_in_an_id_do_not_reach_the_terminal(tmp_path: Path, command: str) -> None:
    url, evil = f"sqlite:///{tmp_path}/runs.db", "TR\x1b[2J\x07"

    async def fill() -> None:
        opened = await open_store(url)
        reasons = (Reason(code="NO", message="no\x1b]0;title\x07"),)
        measures = (MEASURE.model_copy(update={"id": evil}),)
        ended = a_run(evil, phase=Phase.FAILED, decision=TREE, external_id=evil, reasons=reasons, measures=measures)
        await opened.save(ended)
        await opened.close()

    asyncio.run(fill())
    words = [*command.split(), *([] if command == "runs list" else [evil])]
    result = southbound(*words, SOUTHBOUND_STORE__URL=url)
    assert result.exit_code == ExitCode.SUCCESS, result.output
    assert "TR·[2J·" in result.stdout
    assert not {"\x1b", "\x07"} & {*result.stdout}
