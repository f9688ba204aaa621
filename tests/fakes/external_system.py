"""An external system in memory that speaks TMF653 behind the `SpokeCaller` port, and fails when told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from consumers.spokes.port import do_nothing
from router.responses import HttpResponse, NoResponse, Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.spokes.port import Call

ServiceTestJson = dict[str, Any]


class CallFault(Enum):
    """What may go wrong with a call besides an answer that says so."""

    RESPONSE_LOST = "it was taken, and the answer never came"
    REQUEST_LOST = "it never arrived, and nobody can know that"


NO_RESPONSE = NoResponse(perhaps_sent=True, cause="no answer within 10 s")
LOCKED = HttpResponse(status=423)  # about this one run: not now
REFUSED_CONNECTION = NoResponse(perhaps_sent=False, cause="connection refused")


@dataclass(slots=True)
class FakeSystem:
    """Works as it should, except for the reactions that are planned for the next calls of a purpose.

    A run is known as `ext-<last word of its name>`; `states` say in which state a run is answered, by that word.
    """

    calls: list[tuple[str, Call]] = field(default_factory=list)
    tests: dict[str, ServiceTestJson] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    measures: dict[str, list[ServiceTestJson]] = field(default_factory=dict)
    nests_children: bool = True  # whether a bundle's children are echoed
    answers_with_duplicates: bool = False  # whether all of a bundle are told under one id
    on_call: Callable[[Call], Awaitable[None]] | None = None  # what happens elsewhere while a call is under way
    _planned: dict[Purpose, list[HttpResponse | NoResponse | CallFault | None]] = field(default_factory=dict)

    def plan(self, purpose: Purpose, *reactions: HttpResponse | NoResponse | CallFault | None) -> None:
        """React so to the next calls of this purpose, then work again; None works."""
        self._planned.setdefault(purpose, []).extend(reactions)

    def calls_made(self, *purposes: Purpose) -> list[Call]:
        """Return the calls of these purposes."""
        return [call for _, call in self.calls if call.purpose in purposes]

    def posted_names(self) -> list[str]:
        """Return the names under which runs were posted, in order."""
        return [body_of(call)["name"] for call in self.calls_made(Purpose.SEND)]

    async def call(self, spoke: str, call: Call, before: Callable[[], None] = do_nothing) -> HttpResponse | NoResponse:
        """Answer one call."""
        before()
        self.calls.append((spoke, call))
        planned = self._planned.get(call.purpose)
        reaction = planned.pop(0) if planned else None
        if isinstance(reaction, (HttpResponse, NoResponse)):
            return reaction
        if reaction is CallFault.REQUEST_LOST:
            return NO_RESPONSE
        answer = self._work(call)
        if self.on_call is not None:
            await self.on_call(call)
        return NO_RESPONSE if reaction is CallFault.RESPONSE_LOST else answer

    def _work(self, call: Call) -> HttpResponse:
        known = unquote(call.path.removeprefix("/serviceTest").lstrip("/"))
        if call.purpose is Purpose.SEND:
            return self._create(body_of(call))
        if call.purpose is Purpose.LOOK_UP:
            wanted = dict(call.query).get("name")
            return json_answer(200, [test for test in self.tests.values() if test["name"] == wanted])
        if known not in self.tests:
            return json_answer(404, {"code": "notFound", "reason": f"there is no {known}"})
        test = self.tests[known]
        if call.method == "DELETE":
            test["state"] = "cancelled"
            return HttpResponse(status=204)
        test.update(body_of(call) if call.body else {})
        return json_answer(200, test)

    def _create(self, body: ServiceTestJson) -> HttpResponse:
        if _last_word_of_name(body) in self.refused:
            return json_answer(422, {"code": "referenceNotFound", "reason": "no such line"})
        return json_answer(201, self._add_test(body))

    def _add_test(self, body: ServiceTestJson) -> ServiceTestJson:
        word = _last_word_of_name(body)
        again = sum(1 for test in self.tests.values() if _last_word_of_name(test) == word)
        identity = f"ext-{word}" + (f"-{again + 1}" if again else "")
        measures = {"testMeasure": self.measures[word]} if word in self.measures else {}
        own = {name: value for name, value in body.items() if name != "childServiceTest"}
        test = {**own, "id": identity, "state": self.states.get(word, "acknowledged"), **measures}
        self.tests[identity] = test
        inside = [self._add_test(child) for child in body.get("childServiceTest", ())]
        if inside and self.nests_children:
            test["childServiceTest"] = (
                [{**child, "id": identity} for child in inside] if self.answers_with_duplicates else inside
            )
        return test


def json_answer(status: int, body: object, **headers: str) -> HttpResponse:
    """Answer with JSON."""
    return HttpResponse(status=status, headers={"content-type": "application/json", **headers}, body=orjson.dumps(body))


def body_of(call: Call) -> ServiceTestJson:
    """Read the body of a call."""
    read: ServiceTestJson = orjson.loads(call.body or b"{}")
    return read


def _last_word_of_name(test: ServiceTestJson) -> str:
    return str(test["name"]).split()[-1]
