"""Play the tests of an external system: every one takes the course that its behaviour says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from schemas.vocabulary import RunState
from southbound.simulator import hub as notices
from southbound.simulator.measures import measured, objects_in
from southbound.simulator.patches import MergePatch, PatchRefusedError, lineage, merged

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from southbound.simulator.behaviours import Behaviour
    from southbound.simulator.courier import NotificationSender
    from southbound.simulator.measures import Json
    from southbound.simulator.script import Script

    Fields = tuple[str, ...] | None

MEASURES = ("id", "href", "testMeasure")
TERMINAL = frozenset({RunState.REJECTED, RunState.CANCELLED, RunState.COMPLETED, RunState.FAILED})


@dataclass(slots=True, kw_only=True, eq=False)
class ServiceTest:
    """One test as this system knows it."""

    resource: Json
    behaviour: Behaviour
    changed: str | None = None  # the characteristic that was changed last
    course: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The id by which this system knows the test."""
        return str(self.resource["id"])

    @property
    def ended(self) -> bool:
        """Nothing happens to this test any more."""
        return self.resource["state"] in TERMINAL


class TestExecution:
    """Owns all tests of one system and is the only one that moves them."""

    def __init__(
        self,
        *,
        url: str,
        script: Script,
        courier: NotificationSender,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.tests: dict[str, ServiceTest] = {}
        self._url = url
        self._script = script
        self._courier = courier
        self._now = now
        self._new_id = new_id

    def behaviour(self, body: Json) -> Behaviour:
        """Choose how to treat a test, by its specification and by whether it names a parent."""
        specification = body["testSpecification"]
        name = str(specification["id"]) if isinstance(specification, dict) else ""
        return self._script.behaviour(name, child=lineage(body) is not None)

    def admit(self, body: Json) -> ServiceTest:
        """Take a test in, and the ones nested in it, and let them begin."""
        identity = self._new_id()
        behaviour = self.behaviour(body)
        resource = {
            **body,
            "id": identity,
            "href": f"{self._url}/serviceTest/{identity}",
            "state": behaviour.first_state.value,
        }
        if nested := objects_in(body, "childServiceTest"):
            resource["childServiceTest"] = [self.admit(child).resource for child in nested]
        test = self.tests[identity] = ServiceTest(resource=resource, behaviour=behaviour)
        self._begin(test)
        return test

    def change(self, test: ServiceTest, change: MergePatch) -> None:
        """Change or cancel a test.

        Raises:
            RefusedError: the test has ended, or its behaviour does not allow it.
        """
        if test.ended:
            state = test.resource["state"]
            raise PatchRefusedError(409, "illegalState", f"the test has ended already: {state}", "/state")
        if change.cancels:
            self._cancel(test)
        else:
            self._amend(test, change)

    def remove(self, test: ServiceTest) -> None:
        """Forget a test."""
        self._halt(test)
        del self.tests[test.id]
        self._tell(test, notices.DELETED, only=notices.THIN)

    async def stop(self) -> None:
        """Halt every course."""
        courses = [test.course for test in self.tests.values() if test.course is not None]
        for course in courses:
            course.cancel()
        await asyncio.gather(*courses, return_exceptions=True)

    def _begin(self, test: ServiceTest) -> None:
        if test.ended:
            self._measure(test)
        elif test.behaviour.course:
            test.course = asyncio.create_task(self._play(test))

    async def _play(self, test: ServiceTest) -> None:
        for step in test.behaviour.course:
            await asyncio.sleep(step.after)
            self._move(test, step.state)

    def _move(self, test: ServiceTest, state: RunState) -> None:
        if state is RunState.COMPLETED:
            self._measure(test)
        if state is RunState.COMPLETED and test.behaviour.measures_apart:
            self._tell(test, notices.ATTRIBUTE_CHANGED, only=MEASURES, path="testMeasure")
        test.resource["state"] = state.value
        self._tell(test, notices.STATE_CHANGED, only=notices.THIN if test.behaviour.measures_apart else None)

    def _measure(self, test: ServiceTest) -> None:
        if measures := measured(test.resource, test.behaviour, test.changed, self._now()):
            test.resource["testMeasure"] = measures

    def _cancel(self, test: ServiceTest) -> None:
        if not test.behaviour.cancelable:
            raise PatchRefusedError(409, "illegalState", "this test cannot be cancelled any more", "/state")
        self._halt(test)
        self._move(test, RunState.CANCELLED)

    def _amend(self, test: ServiceTest, change: MergePatch) -> None:
        if not test.behaviour.changeable:
            raise PatchRefusedError(422, "invalidValue", "this test cannot be changed", change.pointer)
        test.changed = change.characteristic(test.resource) or test.changed
        after = merged(test.resource, change.fields)
        test.resource.clear()  # the same object is nested in its parent's resource
        test.resource.update(after)
        self._tell(test, notices.ATTRIBUTE_CHANGED, path=change.pointer.removeprefix("/"))

    def _halt(self, test: ServiceTest) -> None:
        if test.course is not None:
            test.course.cancel()

    def _tell(self, test: ServiceTest, event_type: str, *, only: Fields = None, path: str | None = None) -> None:
        if not test.behaviour.notifies:
            return
        worded = partial(notices.notice, event_type, test.resource, event_id=self._new_id(), at=self._now())
        shown = notices.THIN if test.behaviour.thin_events else only
        self._courier.tell(test.id, worded(only=shown, field_path=path or None))
