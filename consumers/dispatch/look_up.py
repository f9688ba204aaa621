"""Find out whether an external system has a run: found, absent, or not proven."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from consumers.spokes.port import LookUpPage, NotUnderstoodError
from consumers.spokes.profile import ResultChannel
from router.responses import Verdict
from router.runs.revisions.replacement import replaced_ids
from router.runs.transitions import ACCEPTED_PHASES
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from consumers.dispatch.call import Caller, CallResult
    from consumers.spokes.port import Call, ListedReferences
    from consumers.store.port import RunStore
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument

MAX_PAGES = 20  # of the whole list, read when the filter proves nothing
MAX_POSSIBLE = 10_000  # runs that are compared with our run store, by their ids alone
_CONTROL_RUNS = 50  # recent runs of a system, among which one is chosen that a look-up has to find
_EXACT_DIGITS = 15  # of a number that a system stores as a float
_LIST_LAG = timedelta(seconds=10)  # after which a run that was accepted is in the list
_BEGUN_RUNS, _TIMES_SLOWEST = 10, 2  # twice as long as the slowest of ten took, and a run would have begun
_BEGUN = frozenset({RunState.IN_PROGRESS, RunState.COMPLETED, RunState.FAILED})
_MAX_CONTROLS = 3  # a run may have been deleted at the system meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The system has the run."""

    report: ExternalReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The system does not have the run now. It may still store a POST that it received (`router.runs.checks.doubt`).

    `as_of` is when the system was asked; what it stored after that may not be in the answer.
    """

    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotProven:
    """The answers neither show the run nor prove that it is absent; `result` says why.

    `answered` is False if a call failed. From `provable_at` on, the same answers will prove it; None if they never do.
    """

    result: CallResult
    answered: bool = True
    provable_at: datetime | None = None


LookUpAnswer = Found | Absent | NotProven


@dataclass(slots=True)
class _Listing:
    """What the pages of one list have shown so far."""

    possible: dict[str, ExternalReport]
    ids: set[str]
    begun: set[str] = field(default_factory=set)
    shown: int = 0
    without_id: int = 0
    total: int | None = None
    is_whole: bool = False
    counts_wrongly: bool = False  # behind all runs that it counts, it shows others
    as_of: datetime | None = None  # when the first page was asked for
    differing: dict[str, ExternalReport] = field(default_factory=dict)
    references: dict[str, ListedReferences] = field(default_factory=dict)
    naming: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, page: LookUpPage) -> None:
        """Take over a page; the list is whole once a count or an empty page after it says so."""
        repeated = bool(page.shown) and page.ids <= self.ids and bool(self.ids)
        was_whole = self.is_whole
        self.differing |= {each.external_id or "": each for each in page.differing}
        self.references |= page.references
        self.naming |= page.naming
        self.possible |= {each.external_id or "": each for each in page.possible}
        self.ids |= page.ids
        self.begun |= page.begun
        self.shown += 0 if repeated else page.shown
        self.without_id += 0 if repeated else page.without_id
        self.total = page.total if page.total is not None else self.total
        if was_whole and page.shown and not repeated:
            self.counts_wrongly = self.counts_wrongly or self.total is None or self.total < len(self.ids)
        if self.total is not None and not self.counts_wrongly:
            # A list that changes meanwhile may show one run twice and another one never.
            self.is_whole = len(self.ids) + self.without_id >= self.total
        else:
            self.is_whole = page.shown == 0 or page.is_last


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Looks one run up by the method of its profile.

    An empty answer proves absence only if the same question finds another run that the system has; else the whole
    list is read, which must show another run that the system has. A system may ignore the filter, store another name,
    or return only a part of what it has, or nothing. It may show only runs that have begun: what it shows proves
    something about ours only if it shows runs that have not, or one that it took after ours, or once ours would have
    begun as all others have.
    """

    caller: Caller
    store: RunStore
    cause: Event | None = None  # that leads to the look-up

    async def find(self, row: RunRow, posted: RunDocument, call: Call) -> LookUpAnswer:
        """Ask for the run that was POSTed as `posted`; `call` is the spoke's look-up of it."""
        answer = await self._page(row, call, posted)
        if isinstance(answer, NotProven):
            return answer
        page, result = answer
        if page.found is not None:
            return _found(page.found, result)
        is_empty = not page.shown and not page.total
        if (is_empty or _shows_only_replaced(page)) and await self._filter_finds_others(row, posted):
            return self._absent(result.asked_at)
        listed = await self._search_list(row, posted, result)
        return await self._compare(row, posted, *listed) if isinstance(listed, tuple) else listed

    async def find_accepted(self, row: RunRow, posted: RunDocument, call: Call) -> ExternalReport | NotProven:
        """Ask for a run that the system has accepted; that it does not show the run need not be proven."""
        answer = await self._page(row, call, posted)
        if isinstance(answer, NotProven):
            return answer
        page, result = answer
        if page.found is None and page.shown > page.replaced:
            # The filter is ignored, or the run is stored under another name.
            listed = await self._search_list(row, posted, result)
            return listed.report if isinstance(listed, Found) else NotProven(result=result)
        return _found(page.found, result).report if page.found else NotProven(result=result)

    async def _page(self, row: RunRow, call: Call, posted: RunDocument) -> tuple[LookUpPage, CallResult] | NotProven:
        result = await self.caller.call_about(row, call, self.cause)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return NotProven(result=result, answered=False)
        try:
            page = self._read(row, result, posted)
        except NotUnderstoodError as error:
            return NotProven(result=result.as_unknown_outcome(str(error)))
        if page.waiting:
            self.caller.list_waiting_runs.add(row.spoke)
        return page, result

    def _read(self, row: RunRow, result: CallResult, posted: RunDocument) -> LookUpPage:
        spoke, response, replaced = self.caller.spoke(row.spoke), result.accepted_response(), replaced_ids(row)
        return spoke.read_page(response, posted, replaced) if replaced else spoke.read_page(response, posted)

    async def _filter_finds_others(self, row: RunRow, posted: RunDocument) -> bool:
        """Return whether the look-up finds another run that the system has, with a name as difficult as ours."""
        spoke = self.caller.spoke(row.spoke)
        recent = await self.store.list_runs(spoke=row.spoke, limit=_CONTROL_RUNS)
        shows_waiting = self._lists_waiting_runs(row.spoke) or _would_have_begun(row, recent, self.caller.now())
        if not shows_waiting:
            recent = [each for each in recent if _tells_of(row, each, frozenset())]
        for control in _controls(recent, posted):
            sent = control.sent or control.requested
            call = spoke.to_look_up(sent)
            answer = await self._page(row, call, sent) if call else None
            if isinstance(answer, tuple) and _shows(answer[0], control):
                page = answer[0]
                if shows_waiting or self._lists_waiting_runs(row.spoke) or _tells_of(row, control, page.begun):
                    return True
        return False

    async def _search_list(
        self, row: RunRow, posted: RunDocument, result: CallResult
    ) -> Found | NotProven | tuple[_Listing, CallResult]:
        """Read the list until it shows the run; return the whole list, with its last answer, if it does not."""
        spoke, listing = self.caller.spoke(row.spoke), _Listing(possible={}, ids=set())
        call = spoke.to_list(0)
        for _ in range(MAX_PAGES):
            answer = await self._page(row, call, posted)
            if isinstance(answer, NotProven):
                if listing.is_whole:  # a system may refuse to show what is behind the last run
                    break
                return answer
            page, result = answer
            if page.found is not None:
                return _found(page.found, result)
            seen, listing.as_of, was_whole = listing.shown, listing.as_of or result.asked_at, listing.is_whole
            listing.add(page)
            # A count is believed once nothing else is shown behind it: some systems count the runs of the page.
            is_end = page.is_last or (listing.is_whole and (was_whole or not page.shown))
            if is_end or (page.shown and listing.shown == seen):
                break
            call = page.next_call or spoke.to_list(listing.shown)
        if not listing.is_whole:
            return NotProven(result=result.as_unknown_outcome(_NOT_WHOLE))
        return listing, result

    async def _compare(self, row: RunRow, posted: RunDocument, listing: _Listing, result: CallResult) -> LookUpAnswer:
        """Return what a whole list proves that does not name the run: each listed run must be another one."""
        recent = await self.store.list_runs(spoke=row.spoke, limit=_CONTROL_RUNS)
        named = () if _shows_ids_as_sent(posted, listing, recent) else listing.naming
        known = {each.external_id for each in recent}
        possible = [each for each in (*listing.possible, *named) if each and each not in known]
        compared = _shown_as_sent(listing, recent)
        possible += [each for each in listing.differing if not compared & listing.references[each].differ_from(posted)]
        if len(possible) > MAX_POSSIBLE:
            return NotProven(result=result.as_unknown_outcome(_perhaps(possible[:1], len(possible))))
        ours = await self.store.own_external_ids(row.spoke, possible) if possible else frozenset()
        unknown = [each for each in possible if each not in ours]
        unknown += [each for each in (*listing.possible, *named) if not each]
        if unknown:
            return NotProven(result=result.as_unknown_outcome(_perhaps(unknown[:1], len(unknown))))
        if not _lists_ours(row, listing, recent):
            return NotProven(result=result.as_unknown_outcome(_LISTS_NONE))
        if not self._would_list(row, listing, recent):
            return NotProven(result=result.as_unknown_outcome(_ALL_BEGUN), provable_at=_begins_at(row, recent))
        return self._absent(listing.as_of)

    def _would_list(self, row: RunRow, listing: _Listing, recent: Collection[RunRow]) -> bool:
        """Return whether the list would show our run also if it had not begun, or our run would have begun."""
        if self._lists_waiting_runs(row.spoke) or (
            listing.as_of is not None and _would_have_begun(row, recent, listing.as_of)
        ):
            return True
        ours = [each for each in recent if each.run_id != row.run_id and each.external_id in listing.ids]
        return not ours or any(_tells_of(row, each, listing.begun) for each in ours)

    def _lists_waiting_runs(self, spoke: str) -> bool:
        """Return whether a list of this system shows runs that have not begun, or it has none."""
        channels = self.caller.spoke(spoke).profile.result_channels
        return spoke in self.caller.list_waiting_runs or channels == {ResultChannel.SYNC}

    def _absent(self, asked_at: datetime | None) -> Absent:
        return Absent(as_of=asked_at or self.caller.now())


def _shown_as_sent(listing: _Listing, recent: Iterable[RunRow]) -> frozenset[str]:
    """Return which references of our runs the system shows as it was sent them, and not as ids of its own."""
    shown = [(listing.references[row.external_id], row) for row in recent if row.external_id in listing.references]
    return frozenset().union(*[references.agree_with(row.sent or row.requested) for references, row in shown])


def _shows_ids_as_sent(posted: RunDocument, listing: _Listing, recent: Iterable[RunRow]) -> bool:
    """Return whether the system shows the id of a run of ours as it was sent, and would show that of `posted` so."""
    return any(
        each.run_id in listing.naming.get(each.external_id or "", ())
        and len(each.run_id) >= len(posted.run_id)
        and _unusual(posted.run_id) | _kinds_of_number(posted.run_id)
        <= _unusual(each.run_id) | _kinds_of_number(each.run_id)
        for each in recent
    )


def _lists_ours(row: RunRow, listing: _Listing, recent: Iterable[RunRow]) -> bool:
    """Return whether the list shows the runs that the system has; without any to show, whether it says what it has.

    The newest runs tell whether it ends too early, and one that has not begun whether it shows such runs.
    """
    others = [each for each in recent if each.external_id is not None and each.run_id != row.run_id]
    newest = _newest_accepted(others, listing.as_of)
    if newest:
        return all(each.external_id in listing.ids for each in newest)
    if any(each.external_id in listing.ids for each in others):
        return True
    if any(each.phase in ACCEPTED_PHASES for each in others):
        return False
    return bool(listing.ids) or listing.total == 0


def _newest_accepted(others: Iterable[RunRow], as_of: datetime | None) -> list[RunRow]:
    """Return the last runs that are out, and the last one that has not begun; a list may lag for some seconds."""
    out = [each for each in others if each.phase in ACCEPTED_PHASES and _was_accepted_before(each, as_of)]
    out.sort(key=lambda each: each.accepted_at or each.updated_at, reverse=True)
    return [*out[:_MAX_CONTROLS], *[each for each in out if _has_not_begun(each)][:1]]


def _was_accepted_before(row: RunRow, as_of: datetime | None) -> bool:
    return row.accepted_at is not None and as_of is not None and row.accepted_at <= as_of - _LIST_LAG


def _has_not_begun(row: RunRow) -> bool:
    return row.state is RunState.ACKNOWLEDGED and row.phase in ACCEPTED_PHASES


def _tells_of(row: RunRow, control: RunRow, begun: Collection[str]) -> bool:
    """Return whether a system that shows the control would show the run, too: it has not begun either, or is younger.

    `begun` are the ids of runs that the system shows as begun, which the run store may not know yet.
    """
    waits = _has_not_begun(control) and control.external_id not in begun
    return waits or (control.accepted_at is not None and control.accepted_at > _posted_at(row))


def _would_have_begun(row: RunRow, recent: Iterable[RunRow], as_of: datetime) -> bool:
    begins_at = _begins_at(row, recent)
    return begins_at is not None and as_of > begins_at


def _begins_at(row: RunRow, recent: Iterable[RunRow]) -> datetime | None:
    """Return when the run will have been out for twice as long as the slowest of the last runs took to begin.

    Of a run that has begun is known when it was heard of last, and not when it began: that is longer. None if no run
    is known to have begun.
    """
    begun = [
        (each.accepted_at, each.finished_at or each.updated_at)
        for each in recent
        if each.run_id != row.run_id and each.accepted_at is not None and each.state in _BEGUN
    ]
    took = [heard_at - accepted_at for accepted_at, heard_at in sorted(begun)[-_BEGUN_RUNS:]]
    return _posted_at(row) + _TIMES_SLOWEST * max(took) if took else None


def _posted_at(row: RunRow) -> datetime:
    earlier = row.doubt.earlier_post_at if row.doubt is not None else None
    return row.sent_at or earlier or row.created_at


_NOT_WHOLE = (
    "The look-up found no run, but it finds no other run either, and the list of all runs does not end or is not "
    "counted: it is not known whether the system has the run."
)


_LISTS_NONE = (
    "The look-up found no run, and the list of all runs shows none that the system certainly has: it is not known "
    "whether the system has the run."
)


_ALL_BEGUN = (
    "The look-up found no run, and shows only older runs, which have begun: it is not known whether the system has the "
    "run and does not show it before it begins."
)


def _shows_only_replaced(page: LookUpPage) -> bool:
    """Return whether the filter works, as it finds the tests that the run had before, and finds no other."""
    counted = page.shown if page.total is None else page.total
    return page.replaced > 0 and page.replaced == counted == page.shown and page.next_call is None


def _found(report: ExternalReport, result: CallResult) -> Found:
    return Found(report=replace(report, as_of=result.asked_at))


def _perhaps(ids: list[str], count: int) -> str:
    shown = ids[0] or "one without an id"
    more = f" and {count - 1} more" if count > 1 else ""
    return f"The system lists runs that are perhaps this one under another name: {shown}{more}."


def _shows(page: LookUpPage, control: RunRow) -> bool:
    return page.found is not None and page.found.external_id == control.external_id


def _controls(recent: Iterable[RunRow], posted: RunDocument) -> list[RunRow]:
    """Return runs whose names a system had at least as many occasions to change as ours.

    A system that shows only runs which have begun does not show ours either: one that has not begun says more.
    """
    chosen = [row for row in recent if _is_as_difficult(row, posted)]
    return sorted(chosen, key=lambda row: not _has_not_begun(row))[:_MAX_CONTROLS]


def _is_as_difficult(row: RunRow, posted: RunDocument) -> bool:
    if row.external_id is None or row.run_id == posted.run_id:
        return False
    sent = row.sent or row.requested
    theirs, ours = f"{sent.name} {sent.run_id}", f"{posted.name} {posted.run_id}"
    return (
        len(theirs) >= len(ours)
        and len(theirs.encode(errors="replace")) >= len(ours.encode(errors="replace"))  # columns may count bytes
        and _unusual(ours) | _kinds_of_number(posted.run_id) <= _unusual(theirs) | _kinds_of_number(sent.run_id)
    )


def _unusual(text: str) -> set[str]:
    """Return the parts of a text that a system may store in another way."""
    found = {letter for letter in text if not (letter.isascii() and letter.isalnum())}
    found |= {f"{one}{next_one}" for one, next_one in pairwise(text) if not (one.isalnum() or next_one.isalnum())}
    return found | {kind for kind, is_kind in _LETTERS.items() if any(map(is_kind, text))}


def _kinds_of_number(run_id: str) -> set[str]:
    # A number loses its leading zeros, and beyond 15 digits its last ones.
    return {kind for kind, is_kind in _NUMBERS.items() if is_kind(run_id)}


_LETTERS: Mapping[str, Callable[[str], bool]] = {"capitals": str.isupper, "small letters": str.islower}
_NUMBERS: Mapping[str, Callable[[str], bool]] = {
    "leading zero": lambda run_id: run_id.isdigit() and run_id.startswith("0"),
    "long number": lambda run_id: run_id.isdigit() and len(run_id) > _EXACT_DIGITS,
}
