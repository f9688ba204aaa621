"""Execute the tests of an external system: create, change and cancel them, and run their scripted transitions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.spokes.tmf653.versions import VERSIONS
from schemas.vocabulary import RunState
from southbound.simulator import notifications
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.measures import fill_measures, objects_in
from southbound.simulator.merge_patch import MergePatch, apply_merge_patch, parent_id
from southbound.simulator.v5.typed_measures import typed_measures

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.spokes.tmf653.versions import TmfVersion
    from schemas.text.json_types import Json
    from southbound.simulator.behaviours import Behaviour
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
    asked_for: set[str] = field(default_factory=set)  # the first-level fields that the system still needs
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # to what its behaviour waits for
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """The system's id of the test."""
        return str(self.resource["id"])

    @property
    def ended(self) -> bool:
        """Whether the test is in a final state."""
        return self.resource["state"] in TERMINAL

    @property
    def is_awaited(self) -> bool:
        """Whether its characteristics do not have all the values that its behaviour waits for."""
        values = {each.get("name"): each.get("value") for each in objects_in(self.resource, "characteristic")}
        return any(values.get(name) != value for name, value in self.behaviour.waits_for.items())


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
        version: TmfVersion = VERSIONS["4.1"],
    ) -> None:
        self.tests: dict[str, ServiceTest] = {}
        self._url = url
        self._script = script
        self._notifications = notifications
        self._now = now
        self.new_id = new_id
        self._version = version

    def behaviour_for(self, body: Json) -> Behaviour:
        """Return the behaviour for a test, by its specification and by whether it names a parent."""
        specification = body["testSpecification"]
        name = str(specification["id"]) if isinstance(specification, dict) else ""
        return self._script.behaviour_for(name, child=parent_id(body) is not None)

    def create(self, body: Json) -> ServiceTest:
        """Create a test, and the ones nested in it, and start their transitions."""
        test_id = self.new_id()
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
            self.cancel(test)
        else:
            self._apply_patch(test, change)

    def change_children(self, root: ServiceTest, body: Json) -> None:
        """Change the nested tests that a PATCH of their root names by their ids; one that has ended stays as it is."""
        if "childServiceTest" not in body:
            return
        changes = [each for each in objects_in(body, "childServiceTest") if str(each.get("id")) in self.tests]
        children = [self.tests[str(each["id"])] for each in changes]
        for child, change in zip(children, changes, strict=True):
            self.change_children(child, change)
            own = {name: value for name, value in change.items() if name not in {"id", "childServiceTest"}}
            if not child.ended and any(child.resource.get(name) != value for name, value in own.items()):
                self._apply_patch(child, MergePatch(own))
        root.resource["childServiceTest"] = [child.resource for child in children]

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
            test.has_ended.set()
        elif test.behaviour.transitions or test.behaviour.asks_for or test.is_awaited:
            test.transitions_task = asyncio.create_task(self._run_transitions(test))

    async def _run_transitions(self, test: ServiceTest) -> None:
        if test.behaviour.asks_for:
            self._ask(test)
            await test.answered.wait()
        if test.is_awaited:
            self._set_state(test, RunState.PENDING)
            await test.changed.wait()
        if test.behaviour.ends_after_children:
            for child in objects_in(test.resource, "childServiceTest"):
                await self.tests[str(child["id"])].has_ended.wait()
        for step in test.behaviour.transitions:
            await asyncio.sleep(step.after)
            self._set_state(test, step.state)

    def _ask(self, test: ServiceTest) -> None:
        """Ask for information; the test is pending until changes have brought all of it."""
        asked = test.behaviour.asks_for
        test.asked_for = {pointer.removeprefix("/").partition("/")[0] for pointer in asked}
        test.resource["state"] = RunState.PENDING.value
        reference = {"id": test.id, "href": test.resource["href"], **self._version.type_of("ServiceTestRef")}
        operations = [{"op": "add", "path": pointer} for pointer in asked]
        event = notifications.INFORMATION_REQUIRED
        self.notify(test, event, reference, "serviceTest", more={"informationRequired": operations})

    def _set_state(self, test: ServiceTest, state: RunState) -> None:
        if state is RunState.COMPLETED:
            self._fill_measures(test)
        if state is RunState.COMPLETED and test.behaviour.separate_measures_event:
            self._notify(test, notifications.ATTRIBUTE_CHANGED, only=MEASURE_FIELDS, path="testMeasure")
        test.resource["state"] = state.value
        if test.ended:
            test.has_ended.set()
        self._notify(
            test,
            notifications.STATE_CHANGED,
            only=notifications.MINIMAL_FIELDS if test.behaviour.separate_measures_event else None,
        )

    def _fill_measures(self, test: ServiceTest) -> None:
        if measures := fill_measures(test.resource, test.behaviour, test.changed_characteristic, self._now()):
            test.resource["testMeasure"] = typed_measures(measures) if self._version.typed else measures

    def cancel(self, test: ServiceTest) -> None:
        """Cancel a test.

        Raises:
            RequestRefusedError: it has ended, or its behaviour does not allow that.
        """
        if test.ended or not test.behaviour.cancelable:
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
        test.asked_for -= change.fields.keys()
        if not test.asked_for:
            test.answered.set()
        if not test.is_awaited:
            test.changed.set()

    def _stop_transitions(self, test: ServiceTest) -> None:
        if test.transitions_task is not None:
            test.transitions_task.cancel()

    def _notify(self, test: ServiceTest, event_type: str, *, only: Fields = None, path: str | None = None) -> None:
        fields = notifications.MINIMAL_FIELDS if test.behaviour.minimal_events else only
        self.notify(test, event_type, test.resource, "serviceTest", only=self._with_type(fields), path=path)

    def _with_type(self, fields: Fields) -> Fields:
        return fields if fields is None or not self._version.typed else (*fields, "@type")

    def notify(
        self,
        test: ServiceTest,
        event_type: str,
        resource: Json,
        name: str,
        *,
        only: Fields = None,
        path: str | None = None,
        more: Json | None = None,
    ) -> None:
        """Send an event about a test, or about what belongs to it, after the earlier events of the test."""
        if not test.behaviour.notifies:
            return
        event = notifications.make_notification(
            event_type,
            resource,
            event_id=self.new_id(),
            at=self._now(),
            only=only,
            field_path=path or None,
            name=name,
            more=more,
            version=self._version,
        )
        self._notifications.send(test.id, event)
