"""Read what an external system asks for (TMF653 v5.0 `ServiceTestInformationRequiredEvent`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.tmf653.lenient_json import as_list, as_mapping, first_text
from router.runs.reports.information import MAX_QUESTIONS, question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.results import Reason
    from schemas.text.json_types import Json

_HOLDERS = ("serviceTest", "ServiceTest", "cancelServiceTest")


def asks_for_information(event_type: str) -> bool:
    """Return whether the type of an event says that the system waits for information."""
    return "informationrequired" in event_type.lower()


def questions_in(body: Json, event_type: str, code: str) -> tuple[Reason, ...]:
    """Return a reason for each place that is asked for: JSON patch operations, whose path is the place.

    A system may write one operation instead of a list, or bare paths. Where the type of the event says that it asks,
    the question may also stand in the run or task, or beside `event`.
    """
    event = as_mapping(body.get("event"))
    found = dict.fromkeys(_paths(event))
    if not found and asks_for_information(event_type):
        places = (*map(as_mapping, map(event.get, _HOLDERS)), body)
        found = dict.fromkeys(path for place in places for path in _paths(place))
    return tuple(question(path, code) for path in list(found)[:MAX_QUESTIONS])


def _paths(event: Json) -> Iterator[str]:
    for each in as_list(event.get("informationRequired")):
        path = each.strip() if isinstance(each, str) else first_text(as_mapping(each), "path")
        if path:
            yield path if path.startswith("/") else f"/{path}"
