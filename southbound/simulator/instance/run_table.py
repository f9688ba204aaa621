"""The table of test runs of a simulated instance: what it stores, and what it updates instead of storing it twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.instance.rules import ENDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from southbound.simulator.instance.rules import AnyJson


_LISTS = {"testMeasure": "ruleViolation", "ruleViolation": "appliedConsequence", "appliedConsequence": ""}


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """One record. `states` are all that it ever had, in order, without repetitions."""

    sys_id: str
    external_id: str | None
    fields: AnyJson = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    writes: int = 0

    @property
    def shown_id(self) -> str:
        """The id in responses: the external id if there is one."""
        return self.external_id or self.sys_id

    def as_json(self) -> AnyJson:
        """Return the record as a `ServiceTest`."""
        return {**self.fields, "id": self.shown_id, "sys_id": self.sys_id}

    def measures(self) -> dict[str, AnyJson]:
        """Return the measures by id."""
        return {measure["id"]: measure for measure in self.fields.get("testMeasure", [])}


class RunTable:
    """Stores records. A POST always makes a new one, so that a repeated POST is noticed."""

    def __init__(self) -> None:
        self.records: list[RunRecord] = []

    def add(self, *, sys_id: str | None = None, external_id: str | None = None, **fields: Any) -> RunRecord:  # noqa: ANN401
        """Add a record, as a flow of the instance does when somebody runs diagnostics."""
        record = RunRecord(sys_id=sys_id or uuid4().hex, external_id=external_id, fields=fields)
        self.records.append(record)
        return record

    def create(self, body: AnyJson) -> RunRecord:
        """Store what a POST carries."""
        fields = {name: value for name, value in body.items() if name != "id"}
        record = self.add(external_id=body.get("id"))
        self._apply(record, {"state": "acknowledged"} | fields)
        return record

    def update(self, record: RunRecord, body: AnyJson) -> None:
        """Apply a PATCH.

        Raises:
            RequestRefusedError: the run has ended, and the PATCH says something else.
        """
        state = record.fields.get("state")
        if state in ENDED and body.get("state", state) != state:
            raise RequestRefusedError(400, "illegalState", f"the test run is {state} and stays so", "/state")
        self._apply(record, body)

    def find(self, some_id: str) -> RunRecord | None:
        """Return the record with this sys_id or external id."""
        return next((one for one in self.records if some_id in (one.sys_id, one.external_id)), None)

    def of_run(self, run_id: str) -> Sequence[RunRecord]:
        """Return all records with this id: more than one is a duplicate."""
        return [one for one in self.records if run_id in (one.sys_id, one.external_id)]

    def _apply(self, record: RunRecord, body: AnyJson) -> None:
        record.writes += 1
        record.fields = _upserted(record.fields, body, "testMeasure")
        state = str(record.fields.get("state", ""))
        if state and record.states[-1:] != [state]:
            record.states.append(state)


def _upserted(known: AnyJson, new: AnyJson, list_field: str) -> AnyJson:
    """Update fields, and the items of the nested lists by their ids."""
    result = {**known, **new}
    if list_field and list_field in new:
        result[list_field] = _merged_items(known.get(list_field, []), new[list_field], _LISTS[list_field])
    return result


def _merged_items(known: list[AnyJson], new: list[AnyJson], inner: str) -> list[AnyJson]:
    items = {item["id"]: item for item in known}
    for item in new:
        items[item["id"]] = _upserted(items.get(item["id"], {}), item, inner)
    return list(items.values())
