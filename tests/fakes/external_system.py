"""An in-memory TMF653 system behind the `SpokeCaller` port. It fails where the test has planned it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.spokes.port import Admit, BeforeCall, Call

ServiceTestJson = dict[str, Any]


class CallFault(Enum):
    """Faults of a call that leave it without a response."""

    RESPONSE_LOST = "the request was processed, and its response was lost"
    REQUEST_LOST = "the request was lost, which the caller cannot know"


NO_RESPONSE = NoResponse(perhaps_sent=True, cause="no answer within 10 s")
LOCKED = HttpResponse(status=423)  # this run is locked at the moment
REFUSED_CONNECTION = NoResponse(perhaps_sent=False, cause="connection refused")


@dataclass(slots=True)
class FakeSystem:
    """Answers as TMF653 requires, except where reactions are planned for the next calls of a purpose.

    A run has the id `ext-<last word of its name>`. `states` holds the state that is answered for that word.
    """

    calls: list[tuple[str, Call]] = field(default_factory=list)
    tests: dict[str, ServiceTestJson] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    measures: dict[str, list[ServiceTestJson]] = field(default_factory=dict)
    nests_children: bool = True  # whether the response to a bundle contains its children
    answers_with_duplicates: bool = False  # whether all tests of a bundle have the same id in the response
    on_call: Callable[[Call], Awaitable[None]] | None = None  # what happens elsewhere during a call
    _planned: dict[Purpose, list[HttpResponse | NoResponse | CallFault | None]] = field(default_factory=dict)

    def plan(self, purpose: Purpose, *reactions: HttpResponse | NoResponse | CallFault | None) -> None:
        """Use these reactions for the next calls of this purpose. None is a normal answer."""
        self._planned.setdefault(purpose, []).extend(reactions)

    def forget_plans(self) -> None:
        """Answer as TMF653 requires from now on."""
        self._planned.clear()

    def calls_made(self, *purposes: Purpose) -> list[Call]:
        """Return the calls of these purposes."""
        return [call for _, call in self.calls if call.purpose in purposes]

    def posted_names(self) -> list[str]:
        """Return the names under which runs were posted, in order."""
        return [body_of(call)["name"] for call in self.calls_made(Purpose.SEND)]

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        """Answer one call."""
        admit()
        planned = self._planned.get(call.purpose)
        if not (planned and planned[0] == REFUSED_CONNECTION):
            await before()
        self.calls.append((spoke, call))
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
        external_id = unquote(call.path.removeprefix("/serviceTest").lstrip("/"))
        if call.purpose is Purpose.SEND:
            return self._create(body_of(call))
        if call.purpose is Purpose.LOOK_UP:
            name = dict(call.query).get("name")
            shown = [test for test in self.tests.values() if name in {None, test["name"]}]
            offset = int(dict(call.query).get("offset", "0"))
            return json_answer(200, shown[offset:], **{"x-total-count": str(len(shown))})
        if external_id not in self.tests:
            return json_answer(404, {"code": "notFound", "reason": f"there is no {external_id}"})
        test = self.tests[external_id]
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
        children = [self._add_test(child) for child in body.get("childServiceTest", ())]
        if children and self.nests_children:
            test["childServiceTest"] = (
                [{**child, "id": identity} for child in children] if self.answers_with_duplicates else children
            )
        return test


def json_answer(status: int, body: object, **headers: str) -> HttpResponse:
    """Return a response with a JSON body."""
    return HttpResponse(status=status, headers={"content-type": "application/json", **headers}, body=orjson.dumps(body))


def body_of(call: Call) -> ServiceTestJson:
    """Return the body of a call."""
    body: ServiceTestJson = orjson.loads(call.body or b"{}")
    return body


def _last_word_of_name(test: ServiceTestJson) -> str:
    return str(test["name"]).split()[-1]
