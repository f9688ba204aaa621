"""Write the body of a PATCH: a merge patch (RFC 7386), or the operations of a JSON patch (RFC 6902) for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from consumers.spokes.tmf653.versions import JSON_PATCH
from schemas.text.json_pointer import pointer_to

if TYPE_CHECKING:
    from schemas.text.json_types import JsonMapping


def patch_body(media_type: str, old: JsonMapping, new: JsonMapping, required: JsonMapping) -> bytes:
    """Return the body that changes fields of a run from `old` to `new`; None means that the run does not have it.

    The media type decides its form. `required` is what a merge patch has to carry besides.
    """
    if is_json_patch(media_type):
        return orjson.dumps(to_operations(old, new))
    return orjson.dumps({**new, **required})


def is_json_patch(media_type: str) -> bool:
    """Return whether a change with this media type is a list of operations."""
    return media_type.partition(";")[0].strip().casefold() == JSON_PATCH


def to_operations(old: JsonMapping, new: JsonMapping) -> list[dict[str, object]]:
    """Return the operations that do what the merge patch `new` does to a run with the fields `old`."""
    operations = (_operation(pointer_to([name]), _absent(old.get(name)), value) for name, value in new.items())
    return [operation for operation in operations if operation]


def _operation(path: str, was_absent: bool, value: object) -> dict[str, object]:  # noqa: FBT001 - private
    if value is None:
        # A remove of what is not there is refused.
        return {} if was_absent else {"op": "remove", "path": path}
    return {"op": "add" if was_absent else "replace", "path": path, "value": value}


def _absent(value: object) -> bool:
    # An empty list is left out of a POST.
    return value is None or value == []
