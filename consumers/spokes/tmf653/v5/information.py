"""Read what an external system asks for (TMF653 v5.0 `ServiceTestInformationRequiredEvent`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.tmf653.lenient_json import as_list, as_mapping, first_text
from router.runs.reports.information import MAX_QUESTIONS, question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.results import Reason
    from schemas.text.json_types import Json


def questions_in(event: Json, code: str) -> tuple[Reason, ...]:
    """Return a reason for each place that is asked for: JSON patch operations, whose path is the place.

    A system may write one operation instead of a list, or bare paths.
    """
    found = dict.fromkeys(_paths(event))
    return tuple(question(path, code) for path in list(found)[:MAX_QUESTIONS])


def _paths(event: Json) -> Iterator[str]:
    for each in as_list(event.get("informationRequired")):
        path = each.strip() if isinstance(each, str) else first_text(as_mapping(each), "path")
        if path:
            yield path if path.startswith("/") else f"/{path}"
