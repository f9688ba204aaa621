"""Execute the tests of an external system: create, change and cancel them, and run their scripted transitions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from schemas.vocabulary import RunState
from southbound.simulator import notifications
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.measures import fill_measures, objects_in
from southbound.simulator.merge_patch import MergePatch, apply_merge_patch, parent_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from southbound.simulator.behaviours import Behaviour
    from southbound.simulator.measures import Json
    from southbound.simulator.notifications import NotificationSender
    from southbound.simulator.script import Script

    Fields = tuple[str, ...] | None

MEASURE_FIELDS = ("id", "href", "testMeasure")
TERMINAL = frozenset({RunState.REJECTED, RunState.CANCELLED, RunState.COMPLETED, RunState.FAILED})


@dataclass(slots=True, kw_only=True, eq=False)
class ServiceTest:
    """One test of the system."""

    resource: Json
    behaviour: Behaviour
    changed_characteristic: str | None = None  # the characteristic that was changed last
    transitions_task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The system's id of the test."""
        return str(self.resource["id"])

    @property
    def ended(self) -> bool:
        """Whether the test is in a final state."""
        return self.resource["state"] in TERMINAL


class TestExecution:
    """Owns all tests of one system; only it changes their state."""

    def __init__(
        self,
        *,
        url: str,
        script: Script,
        notifications: NotificationSender,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.tests: dict[str, ServiceTest] = {}
        self._url = url
        self._script = script
        self._notifications = notifications
        self._now = now
        self._new_id = new_id

    def behaviour_for(self, body: Json) -> Behaviour:
        """Return the behaviour for a test, by its specification and by whether it names a parent."""
        specification = body["testSpecification"]
        name = str(specification["id"]) if isinstance(specification, dict) else ""
        return self._script.behaviour_for(name, child=parent_id(body) is not None)

    def create(self, body: Json) -> ServiceTest:
        """Create a test, and the ones nested in it, and start their transitions."""
        test_id = self._new_id()
        behaviour = self.behaviour_for(body)
        resource = {
            **body,
            "id": test_id,
            "href": f"{self._url}/serviceTest/{test_id}",
            "state": behaviour.initial_state.value,
        }
        if nested := objects_in(body, "childServiceTest"):
            resource["childServiceTest"] = [self.create(child).resource for child in nested]
        test = self.tests[test_id] = ServiceTest(resource=resource, behaviour=behaviour)
        self._start(test)
        return test

    def change(self, test: ServiceTest, change: MergePatch) -> None:
        """Change or cancel a test.

        Raises:
            RequestRefusedError: the test has ended, or its behaviour does not allow the change.
        """
        if test.ended:
            state = test.resource["state"]
            raise RequestRefusedError(409, "illegalState", f"the test has ended already: {state}", "/state")
        if change.cancels:
            self._cancel(test)
        else:
            self._apply_patch(test, change)

    def delete(self, test: ServiceTest) -> None:
        """Delete a test, and notify subscribers."""
        self._stop_transitions(test)
        del self.tests[test.id]
        self._notify(test, notifications.DELETED, only=notifications.MINIMAL_FIELDS)

    async def stop(self) -> None:
        """Stop all transitions."""
        tasks = [test.transitions_task for test in self.tests.values() if test.transitions_task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, test: ServiceTest) -> None:
        if test.ended:
            self._fill_measures(test)
        elif test.behaviour.transitions:
            test.transitions_task = asyncio.create_task(self._run_transitions(test))

    async def _run_transitions(self, test: ServiceTest) -> None:
        for step in test.behaviour.transitions:
            await asyncio.sleep(step.after)
            self._set_state(test, step.state)

    def _set_state(self, test: ServiceTest, state: RunState) -> None:
        if state is RunState.COMPLETED:
            self._fill_measures(test)
        if state is RunState.COMPLETED and test.behaviour.separate_measures_event:
            self._notify(test, notifications.ATTRIBUTE_CHANGED, only=MEASURE_FIELDS, path="testMeasure")
        test.resource["state"] = state.value
        self._notify(
            test,
            notifications.STATE_CHANGED,
            only=notifications.MINIMAL_FIELDS if test.behaviour.separate_measures_event else None,
        )

    def _fill_measures(self, test: ServiceTest) -> None:
        if measures := fill_measures(test.resource, test.behaviour, test.changed_characteristic, self._now()):
            test.resource["testMeasure"] = measures

    def _cancel(self, test: ServiceTest) -> None:
        if not test.behaviour.cancelable:
            raise RequestRefusedError(409, "illegalState", "this test cannot be cancelled any more", "/state")
        self._stop_transitions(test)
        self._set_state(test, RunState.CANCELLED)

    def _apply_patch(self, test: ServiceTest, change: MergePatch) -> None:
        if not test.behaviour.changeable:
            raise RequestRefusedError(422, "invalidValue", "this test cannot be changed", change.pointer)
        test.changed_characteristic = change.changed_characteristic(test.resource) or test.changed_characteristic
        patched = apply_merge_patch(test.resource, change.fields)
        test.resource.clear()  # the same object is nested in its parent's resource
        test.resource.update(patched)
        self._notify(test, notifications.ATTRIBUTE_CHANGED, path=change.pointer.removeprefix("/"))

    def _stop_transitions(self, test: ServiceTest) -> None:
        if test.transitions_task is not None:
            test.transitions_task.cancel()

    def _notify(self, test: ServiceTest, event_type: str, *, only: Fields = None, path: str | None = None) -> None:
        if not test.behaviour.notifies:
            return
        build = partial(
            notifications.make_notification, event_type, test.resource, event_id=self._new_id(), at=self._now()
        )
        fields = notifications.MINIMAL_FIELDS if test.behaviour.minimal_events else only
        self._notifications.send(test.id, build(only=fields, field_path=path or None))
