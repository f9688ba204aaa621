"""Read a TMF653 list of runs for one run that was POSTed: found, perhaps there under another name, or not there."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from consumers.spokes.port import Call, ListedReferences, LookUpPage, NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import as_mapping, first_text, parse_json
from consumers.spokes.tmf653.replies import echoed_run_id, json_type_name, run_ids_in, to_report
from router.responses import Purpose
from router.runs.reports.identity import may_be
from router.runs.states import normalise_state
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.spokes.tmf653.replies import Spellings
    from router.responses import HttpResponse
    from router.runs.reports.report import ExternalReport
    from schemas.run_document import RunDocument
    from schemas.text.json_types import Json

PAGE_SIZE = 100  # runs that are asked for at once; a system may return fewer
_MAX_COMPARED = 5_000  # runs of one answer: each takes some 40 microseconds, in which nothing else is served
_MAX_QUERY_FIELDS = 50
_LINK = re.compile(r"<(?P<target>[^<>]*)>(?P<parameters>[^<]*)")
# RFC 8288: the relation may be quoted or not, and may be one of several.
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)\s*(?:[;,]|$)', re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,9}")
_PARTIAL_CONTENT = 206


def read_page(
    spellings: Spellings,
    response: HttpResponse,
    name: str | None,
    run: RunDocument,
    path: str,
    replaced: Sequence[str] = (),
) -> LookUpPage:
    """Read one page; `path` is the resource that is listed.

    `name` is the name under which the run was POSTed, if it contains the run id; others may have the name of a run.

    `replaced` are the ids of tests that the run had before.

    Raises:
        NotUnderstoodError: the body is not a list of runs, which proves nothing.
    """
    runs = _runs_in(response)
    if len(runs) > _MAX_COMPARED:
        return _only_ours(spellings, response, runs, name, run)
    states = {identity: _state(spellings, each) for each in runs if (identity := first_text(each, "id"))}
    headers = response.headers
    others = [each for each in runs if first_text(each, "id") not in replaced] if replaced else runs
    unnamed = [each for each in others if not names_other(each, run)]
    ours = next((each for each in others if _is_ours(each, name, run.run_id)), None)
    return LookUpPage(
        found=to_report(spellings, ours) if ours else None,
        possible=tuple(to_report(spellings, each) for each in unnamed if not _may_differ(each, run)),
        differing=tuple(to_report(spellings, each) for each in unnamed if _may_differ(each, run)),
        references={identity: _references(each) for each in runs if (identity := first_text(each, "id"))},
        naming={first_text(each, "id") or "": run_ids_in(each) for each in others if names_other(each, run)},
        ids=frozenset(states),
        shown=len(runs),
        replaced=len(runs) - len(others),
        without_id=sum(not first_text(each, "id") for each in runs),
        total=_total(headers, partial=response.status == _PARTIAL_CONTENT, shown=len(runs)),
        next_call=_next_call(headers.get("link", ""), path),
        waiting=frozenset(identity for identity, state in states.items() if state is RunState.ACKNOWLEDGED),
        begun=frozenset(identity for identity, state in states.items() if state not in {None, RunState.ACKNOWLEDGED}),
    )


def read_list(spellings: Spellings, response: HttpResponse, limit: int) -> tuple[ExternalReport, ...]:
    """Return what a page shows about its first runs.

    Raises:
        NotUnderstoodError: the body is not a list of runs.
    """
    return tuple([to_report(spellings, each) for each in _runs_in(response)[:limit]])


def _only_ours(
    spellings: Spellings, response: HttpResponse, runs: list[Json], name: str | None, run: RunDocument
) -> LookUpPage:
    """Return a page that shows only our run, found among more runs than are compared.

    Raises:
        NotUnderstoodError: it is not there, which proves nothing.
    """
    texts = [text.encode() for text in (run.run_id, name) if text]
    # To find its text is a thousand times quicker than to look at every run.
    ours = [each for each in runs if _is_ours(each, name, run.run_id)] if any(t in response.body for t in texts) else []
    if not ours:
        raise NotUnderstoodError(f"the answer to a look-up has {len(runs):,} runs, and {_MAX_COMPARED:,} are compared")
    return LookUpPage(found=to_report(spellings, ours[0]), shown=len(runs))


def _runs_in(response: HttpResponse) -> list[Json]:
    """Return the runs of a list, or the one run that a system returns instead of a list of one."""
    if response.status == HTTPStatus.NO_CONTENT or not response.body.strip():
        raise NotUnderstoodError("the look-up was answered without a body, which does not say that there is no run")
    found = parse_json(response.body, response.headers.get("content-type"))
    if isinstance(found, dict) and "id" in found:
        return [found]
    if not isinstance(found, list):
        raise NotUnderstoodError(f"the answer to a look-up is no list of runs but {json_type_name(found)}")
    if not all(isinstance(each, dict) for each in found):
        raise NotUnderstoodError("the answer to a look-up is a list of something else than runs")
    return found


def _is_ours(each: Json, name: str | None, run_id: str) -> bool:
    return echoed_run_id(each) == run_id or (name is not None and first_text(each, "name") == name)


def names_other(each: Json, run: RunDocument) -> bool:
    """Return whether this is another run than ours, because another run id of ours stands in it.

    Another name does not count: systems shorten names, change their spelling, or store one of their own.
    """
    named = run_ids_in(each)
    if not named or any(may_be(run_id, run.run_id) for run_id in named):
        return False
    # A parameter of the run may have the name of the characteristic that has our run id.
    return not {str(parameter.value).strip() for parameter in run.characteristic}.issuperset(named)


def _may_differ(each: Json, run: RunDocument) -> bool:
    return bool(first_text(each, "id") and _references(each).differ_from(run))


def _state(spellings: Spellings, each: Json) -> RunState | None:
    spelling = first_text(each, "state")
    return normalise_state(spelling, spellings) if spelling else None


def _references(each: Json) -> ListedReferences:
    return ListedReferences(
        service=first_text(as_mapping(each.get("relatedService")), "id"),
        specification=first_text(as_mapping(each.get("testSpecification")), "id"),
    )


def _total(headers: Mapping[str, str], *, partial: bool, shown: int) -> int | None:
    """Return how many runs the system counts; one more than shown if it only says that this is a part."""
    counted = headers.get("x-total-count", "").strip()
    if _COUNT.fullmatch(counted):
        return int(counted)
    return shown + 1 if partial else None


def _next_call(link: str, path: str) -> Call | None:
    """Return the call of the next page; only its query is taken over, so that a system cannot send us elsewhere."""
    for each in _LINK.finditer(link):
        if _NEXT.search(each["parameters"]):
            query = parse_qsl(urlsplit(each["target"]).query, max_num_fields=_MAX_QUERY_FIELDS)
            return Call(purpose=Purpose.LOOK_UP, method="GET", path=path, query=tuple(query))
    return None
