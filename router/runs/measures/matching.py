"""Match each reported measure to the requested one (domain facts, section 7.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.vocabulary import MeasureIdOrigin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from router.runs.reports.report import ExternalMeasure
    from schemas.run_document import RequestedMeasure


@dataclass(frozen=True, slots=True)
class MeasureMatch:
    """A requested measure, and by what it was recognised."""

    requested: RequestedMeasure
    origin: MeasureIdOrigin


@dataclass(frozen=True, slots=True)
class _MeasureNames:
    """The requested measures by each of their names; a name that two of them share identifies neither."""

    definitions: Mapping[str, RequestedMeasure]
    hrefs: Mapping[str, RequestedMeasure]
    names: Mapping[str, RequestedMeasure]
    folded: Mapping[str, RequestedMeasure]


def match_to_requested(
    requested: Sequence[RequestedMeasure],
    reported: Sequence[ExternalMeasure],
    already_matched: Collection[str],
) -> list[MeasureMatch | None]:
    """Return for each reported measure the requested one and how it was found, or None.

    The order is id, definition id, metricHref, metricName (exact, then case-folded), and at last the only requested
    measure that is still open, for the only reported one that is left. `already_matched` are not open.
    """
    by_id = {measure.id: measure for measure in requested}
    matches = [_match_by_id(measure, by_id) for measure in reported]
    if None in matches:
        names = _build_lookup(requested)
        for place, measure in enumerate(reported):
            matches[place] = matches[place] or _match_by_name(measure, names, by_id)
        _match_last_to_only_open(matches, requested, reported, already_matched)
    return matches


def _match_by_id(measure: ExternalMeasure, by_id: Mapping[str, RequestedMeasure]) -> MeasureMatch | None:
    found = by_id.get(measure.id) if measure.id else None
    return MeasureMatch(found, MeasureIdOrigin.REPORTED) if found else None


def _match_by_name(
    measure: ExternalMeasure, names: _MeasureNames, by_id: Mapping[str, RequestedMeasure]
) -> MeasureMatch | None:
    # Documents disagree whether `id` means the measure or its definition, so each may stand for the other.
    definition, own = measure.definition_id or "", measure.id or ""
    if found := names.definitions.get(definition) or by_id.get(definition) or names.definitions.get(own):
        return MeasureMatch(found, MeasureIdOrigin.DEFINITION)
    if found := names.hrefs.get(measure.metric_href or ""):
        return MeasureMatch(found, MeasureIdOrigin.METRIC_HREF)
    name = measure.metric_name or ""
    if found := names.names.get(name) or names.folded.get(name.strip().casefold()):
        return MeasureMatch(found, MeasureIdOrigin.METRIC_NAME)
    return None


def _match_last_to_only_open(
    matches: list[MeasureMatch | None],
    requested: Sequence[RequestedMeasure],
    reported: Sequence[ExternalMeasure],
    taken: Collection[str],
) -> None:
    if matches.count(None) != 1:
        return
    found = {match.requested.id for match in matches if match}
    still_open = [measure for measure in requested if measure.id not in found and measure.id not in taken]
    place = matches.index(None)
    if len(still_open) == 1 and not _contradict(still_open[0], reported[place]):
        matches[place] = MeasureMatch(still_open[0], MeasureIdOrigin.ONLY_OPEN)


def _contradict(requested: RequestedMeasure, reported: ExternalMeasure) -> bool:
    definitions = {requested.definition_id, reported.definition_id} - {None}
    hrefs = {requested.metric_href, reported.metric_href} - {None}
    return len(definitions) > 1 or len(hrefs) > 1


def _build_lookup(requested: Sequence[RequestedMeasure]) -> _MeasureNames:
    return _MeasureNames(
        definitions=_unique_by(requested, lambda measure: measure.definition_id),
        hrefs=_unique_by(requested, lambda measure: measure.metric_href),
        names=_unique_by(requested, lambda measure: measure.metric_name),
        folded=_unique_by(requested, lambda measure: measure.metric_name.casefold()),
    )


def _unique_by(
    requested: Sequence[RequestedMeasure], name_of: Callable[[RequestedMeasure], str | None]
) -> dict[str, RequestedMeasure]:
    found: dict[str, RequestedMeasure] = {}
    shared: set[str] = set()
    for measure in requested:
        name = name_of(measure)
        if name and found.setdefault(name, measure).id != measure.id:
            shared.add(name)
    return {name: measure for name, measure in found.items() if name not in shared}
