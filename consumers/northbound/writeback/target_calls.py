"""The calls to a target, and what its responses show of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.conventions.http_conventions import ID, path_with_id
from consumers.spokes.port import Call
from router.northbound.writeback import create_body, spelled_state, state_of, unique_name, update_body
from router.responses import Purpose

if TYPE_CHECKING:
    from consumers.northbound.writeback.target import WritebackTarget
    from router.responses import HttpResponse
    from router.runs.run import RunRow

_COLLECTION = "/serviceTest"
_RUN = f"{_COLLECTION}/{ID}"
_MAX_ID_LENGTH = 500  # characters; a target that answers with more answers with something else


@dataclass(frozen=True, slots=True)
class Listed:
    """What the look-up of a run shows: its id, or None; absence is not `proven` if the answer shows other runs."""

    target_id: str | None
    proven: bool = True


@dataclass(frozen=True, slots=True)
class TargetCalls:
    """Builds the calls to one target."""

    target: WritebackTarget

    def update(self, row: RunRow, target_id: str) -> Call:
        """PATCH a run that the target perhaps has under this id."""
        return Call(
            purpose=Purpose.CHANGE,
            method="PATCH",
            path=path_with_id(_RUN, target_id),
            body=orjson.dumps(update_body(self.target.form, row)),
            content_type=self.target.media_types.change,
            idempotency_key=self._key("update", row),
        )

    def create(self, row: RunRow, ordered_as: str | None = None) -> Call:
        """POST a run, under the id with which the target has ordered it."""
        return Call(
            purpose=Purpose.SEND,
            method="POST",
            path=_COLLECTION,
            body=orjson.dumps(create_body(self.target.form, row, ordered_as)),
            content_type=self.target.media_types.send,
            idempotency_key=self._key("create", row),
        )

    def read(self, run_id: str) -> Call:
        """GET one run."""
        return Call(purpose=Purpose.READ, method="GET", path=path_with_id(_RUN, run_id))

    def look_up(self, row: RunRow) -> Call | None:
        """GET the run by its name; None where the id of a run is ours, so that a PATCH finds it."""
        if self.target.form.is_servicenow:
            return None
        return Call(
            purpose=Purpose.LOOK_UP, method="GET", path=_COLLECTION, query=(("name", unique_name(row.requested)),)
        )

    def read_list(self, response: HttpResponse, row: RunRow) -> Listed | None:
        """Return what a response to the look-up shows; None if it is no list of runs."""
        listed = _json_of(response)
        if not isinstance(listed, list):
            return None
        name = unique_name(row.requested)
        runs = [run for run in listed if isinstance(run, dict)]
        found = next((_id_of(run) for run in runs if run.get("name") == name and _id_of(run)), None)
        return Listed(found, proven=found is not None or not runs)

    def created_id(self, response: HttpResponse, row: RunRow, ordered_as: str | None = None) -> str | None:
        """Return the id of a created run; None if the response does not name it."""
        if self.target.form.is_servicenow:
            return ordered_as or row.run_id
        created = _json_of(response)
        if isinstance(created, dict) and (own := _id_of(created)):
            return own
        own = response.headers.get("location", "").rstrip("/").rpartition("/")[2]
        return own if 0 < len(own) <= _MAX_ID_LENGTH else None

    def shows_other_state(self, response: HttpResponse, row: RunRow) -> bool:
        """Return whether the target created the run in another state than it was sent."""
        created = _json_of(response)
        shown = created.get("state") if isinstance(created, dict) else None
        return isinstance(shown, str) and _plain(shown) != _plain(spelled_state(self.target.form, state_of(row)))

    def shows_no_run(self, response: HttpResponse) -> bool:
        """Return whether the response to a PATCH says that there is no such run, in spite of its status (OpenSlice)."""
        return response.body.strip() == b"null"

    def _key(self, action: str, row: RunRow) -> str:
        return f"{action}:{self.target.name}:{row.run_id}:{row.revision}"


def _json_of(response: HttpResponse) -> object:
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None


def _id_of(run: dict[str, object]) -> str | None:
    own = run.get("id")
    return own if isinstance(own, str) and 0 < len(own) <= _MAX_ID_LENGTH else None


def _plain(state: str) -> str:
    return "".join(filter(str.isalnum, state.casefold())).replace("cancelled", "canceled")
