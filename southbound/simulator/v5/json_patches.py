"""Read a change that is a list of operations (RFC 6902) as the merge patch that does the same to a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.errors import ApiRefusedError
from router.northbound.patches.patch import json_patch, touched_names
from southbound.simulator.errors import RequestRefusedError

if TYPE_CHECKING:
    from schemas.text.json_types import Json


def as_merge_patch(resource: Json, operations: object) -> Json:
    """Return the first-level fields that the operations change; None for those that they remove.

    Raises:
        RequestRefusedError: an operation does not fit the test.
    """
    try:
        patched = json_patch(resource, operations)
    except ApiRefusedError as error:
        raise RequestRefusedError(error.status, "invalidPatch", str(error), error.mistakes[0].pointer) from error
    fields = patched if isinstance(patched, dict) else {}
    return {name: fields.get(name) for name in sorted(touched_names(operations))}
