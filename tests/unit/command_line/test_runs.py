"""What the run store knows is shown to people and to programs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from consumers.store.opening import open_store
from router.runs import RequestRow
from schemas.outcomes import Reason, ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState
from southbound.failures import Exit
from tests.builders import NOON, TREE, a_document, a_run
from tests.unit.command_line.runner import southbound

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs import RunRow

MEASURE = ReportedMeasure(
    id="TM-1", id_origin=MeasureIdOrigin.REPORTED, metric_name="rx power", value=-17.5, unit_of_measure="dBm"
)
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
    assert result.exit_code == Exit.DONE
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
def test_list_shows_only_what_was_asked_for(store: str, options: list[str], expected: set[str]) -> None:
    result = southbound("runs", "list", "--json", *options, SOUTHBOUND_STORE__URL=store)
    assert {json.loads(line)["run_id"] for line in result.stdout.splitlines()} == expected


def test_list_knows_the_phases(store: str) -> None:
    result = southbound("runs", "list", "--phase", "fallen", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == Exit.WRONG
    assert "there are created, routed" in result.stderr


@pytest.mark.parametrize(
    "shown",
    ["outbound-policy@1#R10", EXPLANATION, "TM-1", "-17.5", "rx power", "LATE: it took long", "fibre-line", "TR0001-1"],
)
def test_show_tells_everything(store: str, shown: str) -> None:
    result = southbound("runs", "show", "TR0001", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == Exit.DONE
    assert shown in result.stdout


def test_show_tells_for_what_a_run_waits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    reason = Reason(code="WAITS_FOR_THRESHOLD", message="it is used up until one o'clock")
    row = a_run(phase=Phase.WAITING, decision=None, spoke="", reasons=(reason,), waits_for=("s#S10",))

    async def fill() -> None:
        opened = await open_store(url)
        await opened.save(row)
        await opened.close()

    asyncio.run(fill())
    shown = southbound("runs", "show", "TR0001", SOUTHBOUND_STORE__URL=url).stdout
    assert "waits for" in shown
    assert "s#S10" in shown
    assert "WAITS_FOR_THRESHOLD: it is used up until one o'clock" in shown
    assert "TR0001" in southbound("runs", "list", "--phase", "waiting", SOUTHBOUND_STORE__URL=url).stdout


def test_show_tells_everything_to_programs(store: str) -> None:
    result = southbound("runs", "show", "TR0001", "--json", SOUTHBOUND_STORE__URL=store)
    told = json.loads(result.stdout)
    assert told["run"]["measures"][0]["value"] == -17.5
    assert told["run"]["result"] == "pass"
    assert told["request"]["explanation"] == EXPLANATION
    assert told["runs_of_request"] == ["TR0001", "TR0001-1"]


def test_an_unknown_run_is_one_sentence(store: str) -> None:
    result = southbound("runs", "show", "TR9", SOUTHBOUND_STORE__URL=store)
    assert result.exit_code == Exit.WRONG
    assert "has no run TR9" in result.stderr


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = southbound("runs", "list", SOUTHBOUND_STORE__URL=f"sqlite:///{tmp_path}/none.db")
    assert result.exit_code == Exit.NOT_REACHABLE
    assert "There is no run store" in result.stderr
    assert list(tmp_path.iterdir()) == []
