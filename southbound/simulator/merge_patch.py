"""What a PATCH changes in a test, and the parent that a POST names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.measures import objects_in

if TYPE_CHECKING:
    from schemas.text.json_types import Json

REQUIRED = ("name", "relatedService", "testSpecification")


@dataclass(frozen=True, slots=True)
class MergePatch:
    """The body of a PATCH (RFC 7386 merge patch)."""

    fields: Json

    @property
    def cancels(self) -> bool:
        """Whether it cancels the test, in either spelling of the state.

        Raises:
            RequestRefusedError: it sets another state, which only the system itself can set.
        """
        state = self.fields.get("state")
        if state is None or str(state).casefold() in {"cancelled", "canceled"}:
            return state is not None
        raise RequestRefusedError(422, "invalidValue", f"a client can only cancel, not set {state!r}", "/state")

    @property
    def pointer(self) -> str:
        """The JSON pointer to the changed field; empty if there are several."""
        changed = [name for name in self.fields if not name.startswith("@")]
        return f"/{changed[0]}" if len(changed) == 1 else ""

    def check_required_fields(self) -> None:
        """Check that it deletes no required field.

        Raises:
            RequestRefusedError: it does.
        """
        for field in REQUIRED:
            if field in self.fields and self.fields[field] is None:
                raise RequestRefusedError(400, "invalidBody", "a test requires this field", f"/{field}")

    def changed_characteristic(self, before: Json) -> str | None:
        """Return the name of the characteristic whose value it changes, the last one of several."""
        known = {c.get("name"): c.get("value") for c in objects_in(before, "characteristic")}
        patched = objects_in(self.fields, "characteristic")
        changed = [str(c["name"]) for c in patched if known.get(c["name"], _ABSENT) != c["value"]]
        return changed[-1] if changed else None


_ABSENT = object()


def apply_merge_patch(target: object, patch: object) -> Json:
    """Merge a patch into a resource: objects field by field, null deletes, other values replace."""
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in (patch if isinstance(patch, dict) else {}).items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_merge_patch(result.get(name), value) if isinstance(value, dict) else value
    return result


def parent_id(body: Json) -> str | None:
    """Return the id of the parent that a test names, in a relationship or in a characteristic."""
    if (relationship := parent_relationship(body)) is not None:
        return str(relationship[1].get("id"))
    characteristics = (c for c in objects_in(body, "characteristic") if c.get("name") == "parentTestRunId")
    return next((str(c["value"]) for c in characteristics), None)


def parent_relationship(body: Json) -> tuple[int, Json] | None:
    """Return the relationship to a parent, and its index among the objects of the list; None if there is none."""
    relationships = enumerate(objects_in(body, "serviceTestRelationship"))
    return next(((index, r) for index, r in relationships if r.get("role") == "parent"), None)
