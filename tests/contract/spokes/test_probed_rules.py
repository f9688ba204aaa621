"""A probe reads the runs that a system lists with the rules of its profile, and names the rule that misses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from southbound.operations.spokes.probe import probe
from southbound.operations.spokes.probe_rules import MAX_READ
from tests.builders.spokes import a_profile
from tests.contract.spokes.misbehaving_server import ServerBehaviour, ServerConnection, serving

if TYPE_CHECKING:
    from southbound.operations.spokes.probe import ProbeStep

TIMEOUTS = {"connect": 20, "read": 30, "total": 60}
ORDER = {"nummer": 7, "titel": "Line test TR1", "zustand": "fertig"}
RULES = [
    {"from": "/nummer", "to": "/id"},
    {"from": "/titel", "to": "/name"},
    {"from": "/zustand", "to": "/state", "values": {"fertig": "completed"}},
]
SHOWN_LIST = {"posten": [ORDER, {"nummer": 8, "titel": "Line test TR2", "zustand": "fertig"}]}
RIGHT = {"runs_at": "/posten", "run_at": "/daten", "receive": RULES}


def a_system(shown_list: object, shown_run: object, *, status_of_run: int = 200) -> ServerBehaviour:
    """Answer a GET of the list, and one of a run."""

    async def answer(connection: ServerConnection) -> None:
        request = await connection.read_request()
        assert request.startswith(b"GET ")
        is_list = request.split(b" ")[1].split(b"?")[0].endswith(b"/serviceTest")
        body, status = orjson.dumps(shown_list if is_list else shown_run), 200 if is_list else status_of_run
        head = f"HTTP/1.1 {status} Some\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        await connection.write(head.encode() + body)

    return answer


async def rules_of(shown_list: object, shown_run: object, status_of_run: int = 200, **profile: Any) -> list[ProbeStep]:  # noqa: ANN401 - any field of a profile
    async with serving(a_system(shown_list, shown_run, status_of_run=status_of_run)) as server:
        described = a_profile(base_url=f"http://127.0.0.1:{server.port}/v4", timeouts=TIMEOUTS, **profile)
        return [step async for step in probe(described, {}) if step.step in {"rules", "run"}]


async def test_what_right_rules_read_is_shown() -> None:
    steps = await rules_of(SHOWN_LIST, {"daten": ORDER}, mapping=RIGHT)
    assert [(step.step, step.ok) for step in steps] == [("rules", True), ("run", True)]
    read = "id '7', name 'Line test TR1', state 'completed', which is completed"
    assert [step.detail for step in steps] == [
        f"2 runs read, the first with {read}",
        f"GET /serviceTest/7 shows {read}",
    ]


@pytest.mark.parametrize(
    ("mapping", "step", "named"),
    [
        ({"receive": [{"from": "/nummr", "to": "/id"}, *RULES[1:]]}, "rules", "mapping.receive to /id"),
        ({"receive": [RULES[0], {"from": "/titl", "to": "/name"}, RULES[2]]}, "rules", "mapping.receive to /name"),
        ({"receive": [*RULES[:2], {"from": "/zustnd", "to": "/state"}]}, "run", "mapping.receive to /state"),
        ({"receive": [*RULES[:2], {"from": "/zustand", "to": "/state"}]}, "rules", "'fertig' is not known"),
        ({"run_at": "/dta"}, "run", "mapping.run_at"),
        ({"run_at": None}, "run", "mapping.run_at"),
    ],
    ids=["id", "name", "state", "spelling", "run_at", "no run_at"],
)
async def test_a_rule_that_misses_is_named(mapping: dict[str, Any], step: str, named: str) -> None:
    steps = await rules_of(SHOWN_LIST, {"daten": ORDER}, mapping=RIGHT | mapping)
    assert (steps[-1].step, steps[-1].ok) == (step, False)
    assert named in steps[-1].detail


async def test_a_system_that_shows_no_states_needs_none() -> None:
    run = {"id": "7", "name": "Line test TR1", "state": None}
    steps = await rules_of([run], run, end_of_run="measures")
    assert [step.ok for step in steps] == [True, True]
    assert "no state" in steps[-1].detail
    assert not (await rules_of([run], run))[-1].ok


async def test_a_list_may_leave_the_states_to_the_get_of_a_run() -> None:
    run = {"id": "7", "name": "Line test TR1"}
    assert [step.ok for step in await rules_of([run], run | {"state": "inProgress"})] == [True, True]


@pytest.mark.parametrize("status", [404, 405])
async def test_a_system_without_a_get_of_one_run_passes_if_its_list_shows_states(status: int) -> None:
    run = {"id": "7", "name": "Line test TR1", "state": "completed"}
    steps = await rules_of([run], {}, status)
    assert [step.ok for step in steps] == [True, True]
    assert f"not tried: GET /serviceTest/7 was answered with {status}" in steps[-1].detail
    assert not (await rules_of([{"id": "7", "name": "Line test TR1"}], {}, status))[-1].ok


@pytest.mark.parametrize("status", [404, 500])
async def test_fault_a_system_that_is_polled_passes_although_its_runs_are_not_found(status: int) -> None:
    run = {"id": "7", "name": "Line test TR1", "state": "completed"}
    steps = await rules_of([run], {}, status, result_channels=["poll"])
    assert [step.ok for step in steps] == [True, False]
    assert f"GET /serviceTest/7 was answered with {status}, although the list shows this run" in steps[-1].detail
    assert ("correct paths.run" in steps[-1].detail) == (status == 404)


async def test_fault_a_verdict_in_unknown_words_passes() -> None:
    run = {"id": "7", "name": "Line test TR1", "state": "completed", "result": "NIO"}
    (rules,) = await rules_of([run], run)
    assert not rules.ok
    assert "the verdict 'NIO' is not known" in rules.detail
    assert "/result" in rules.detail
    initial = [run | {"state": "inProgress"}, run | {"state": "cancelled"}]
    assert (await rules_of(initial, initial[0]))[0].ok
    shown = await rules_of([run | {"result": "fail"}], run | {"result": "failed"})
    assert ["verdict fail" in step.detail for step in shown] == [True, True]


async def test_a_run_with_another_id_than_in_the_list_is_told() -> None:
    steps = await rules_of([{"id": "7", "name": "a", "state": "done"}], {"id": "8", "state": "done"})
    assert not steps[-1].ok
    assert "shows the id '8', and the list '7'" in steps[-1].detail


async def test_what_a_system_shows_is_bounded_and_cannot_control_a_terminal() -> None:
    hostile = [
        {"id": f"\x1b[2J{number}" * 90, "name": "\x1b" * 900, "state": f"\x1b{number}" * 90} for number in range(99)
    ]
    named = {"x" * 5_000: 1, "\x1b[2J": 2}
    for shown in (hostile, [named]):
        (step,) = await rules_of(shown, {})
        assert not step.ok
        assert len(step.detail) < 700
        assert step.detail.isprintable()


async def test_only_the_first_runs_of_a_list_are_read() -> None:
    runs = [{"id": str(number), "name": "a", "state": "done"} for number in range(MAX_READ)]
    steps = await rules_of([*runs, {"name": "without an id"}], runs[0])
    assert [step.ok for step in steps] == [True, True]
    assert f"{MAX_READ} runs read" in steps[0].detail
