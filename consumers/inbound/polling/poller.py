"""Poll external systems for runs that have been silent for too long."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from consumers.dispatch.call import MembershipUncertainError
from consumers.inbound.checks.due_checks import REPUBLISH_AFTER
from consumers.inbound.checks.run_check import is_not_there
from consumers.inbound.polling.answers_without_state import UnpublishedAnswers, no_run_shown, type_of_event
from consumers.inbound.polling.pace import START_PARTS, jittered, part_of, pause_after
from consumers.problems import call_failed
from consumers.spokes.port import AnotherRunError, NoRunShownError, NotUnderstoodError
from consumers.spokes.profile import EndOfRun, ResultChannel
from consumers.store.claims.poll_claims import PollClaim
from consumers.store.port import StoreUnavailableError
from producers.publisher import PublishError
from router.responses import HttpResponse, Verdict
from router.runs.ids import derive_event_id
from router.runs.reports.news import has_news
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from consumers.dispatch.call import Caller, CallResult
    from consumers.periodic import ReportSentence
    from consumers.spokes.profile import Profile
    from consumers.store.claims.poll_claims import SilentRun
    from consumers.store.port import RunStore
    from producers.event_publisher import EventPublisher
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow


PAGE_SIZE = 200  # runs that are read and polled together
MAX_REMEMBERED = 100_000  # runs whose last published answer is remembered
MAX_NOT_FOUND_ROUNDS = 3  # rounds in which a system answers that it does not know a run's id
MAX_PUBLISHED_BODY = 900_000  # bytes, as in a callback


class _Published(NamedTuple):
    """The last answer about a run that was published."""

    event_id: str
    content: bytes  # its hash
    at: datetime


class _ClaimedRun(NamedTuple):
    """A run that no other process polls, until its claim ends."""

    row: RunRow
    claim: PollClaim


class _PollAnswer(NamedTuple):
    """What a system answered to the poll of a run, and what it reports with that; None if it reports nothing."""

    row: RunRow
    result: CallResult
    report: ExternalReport | None = None


class _PolledPage(NamedTuple):
    """How many responses were published, and whether the system is down."""

    published: int
    is_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """Polls the systems whose profile has `poll`; their responses are published like every other report.

    Several processes may poll: each run is claimed in the run store before it is asked for, until it is due again.
    """

    caller: Caller
    store: RunStore
    events: EventPublisher
    now: Callable[[], datetime]
    warn: ReportSentence
    on_news: Callable[[str], None] = lambda _: None  # called with the spoke of each response that is published
    not_found: dict[str, int] = field(default_factory=dict)  # run id -> rounds in which it was not found
    published: dict[str, _Published] = field(default_factory=dict)  # run id -> its last answer
    without_state: UnpublishedAnswers = field(default_factory=UnpublishedAnswers)
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def run(self) -> None:
        """Poll silent runs periodically, until cancelled."""
        all_profiles = [spoke.profile for spoke in self.caller.spokes.values()]
        profiles = [profile for profile in all_profiles if ResultChannel.POLL in profile.result_channels]
        async with asyncio.TaskGroup() as group:
            for profile in profiles:
                group.create_task(self._poll(profile))

    async def _poll(self, profile: Profile) -> None:
        # After a start all runs may have been silent: they are not asked for at once.
        for part in range(START_PARTS):
            await self.sleep(jittered(profile.poll_interval / START_PARTS, self.random()))
            await self._poll_round(profile, part)
        while True:
            await self.sleep(jittered(profile.poll_interval, self.random()))
            await self._poll_round(profile)

    async def _poll_round(self, profile: Profile, part: int | None = None) -> None:
        try:
            await self.poll_silent_runs(profile, part)
        except (StoreUnavailableError, PublishError, MembershipUncertainError) as error:
            self.warn(f"Polling {profile.name} failed and will be retried: {error}")

    async def poll_silent_runs(self, profile: Profile, part: int | None = None) -> int:
        """Poll the runs that are silent for too long, or a part of them; return how many responses were published.

        A response without news leaves a run as silent as it was, so paging is needed to reach all of them.
        """
        since, published, last = self.now() - timedelta(seconds=profile.poll_after), 0, None
        while silent := await self.store.poll_claims.silent_runs(profile.name, since, self.now(), PAGE_SIZE, last):
            claimed = await self._claim([each for each in silent if part in {None, part_of(each.row.run_id)}], profile)
            page = await self._poll_page(claimed, profile)
            published += page.published
            if page.is_out:
                break  # the next page would fail, too
            last = silent[-1].row
        return published

    async def _claim(self, runs: Sequence[SilentRun], profile: Profile) -> Sequence[_ClaimedRun]:
        """Return the runs that no other process polls."""
        if not runs:
            return ()
        at = self.now()
        wanted = [_ClaimedRun(row, _claim_of(row, answers + 1, at, profile)) for row, answers in runs]
        taken = await self.store.poll_claims.claim([each.claim for each in wanted], at)
        return [each for each in wanted if each.row.run_id in taken]

    async def _poll_page(self, claimed: Sequence[_ClaimedRun], profile: Profile) -> _PolledPage:
        again = claimed
        try:
            answers = await asyncio.gather(*(self._read(each.row) for each in claimed))
            news = await self._publish_news(answers)
            again = [
                each
                for each, answer in zip(claimed, answers, strict=True)
                if each.row.run_id in news or answer.result.meaning.verdict is not Verdict.ACCEPTED
            ]
        finally:
            await self._ask_soon(again, profile)
        return _PolledPage(
            len(news), bool(answers) and all(each.result.is_outage or each.result.is_busy for each in answers)
        )

    async def _ask_soon(self, claimed: Sequence[_ClaimedRun], profile: Profile) -> None:
        """Let runs be polled in the next round whose answers have news, or failed."""
        longer = [each.claim for each in claimed if each.claim.answers > 1]
        if longer:
            at = min(claim.until - _pause(claim.answers, profile) for claim in longer)
            await self.store.poll_claims.shorten(longer, at + _pause(1, profile))

    async def _read(self, row: RunRow) -> _PollAnswer:
        result = await self.caller.fetch_run(row, None, is_poll=True)
        if result.meaning.verdict is not Verdict.ACCEPTED or is_not_there(result):
            return _PollAnswer(row, result)
        try:
            return self._counted(_PollAnswer(row, result, self.caller.read_run_as_of(row, result)))
        except NoRunShownError as error:
            return _PollAnswer(row, result.as_not_there(str(error)))
        except AnotherRunError as error:
            return _PollAnswer(row, result.as_unknown_outcome(str(error)))  # the next round asks again
        except NotUnderstoodError as error:
            unread = result.as_unknown_outcome(str(error))
            return self._counted(_PollAnswer(row, unread, no_run_shown(row.external_id, error)))

    def _counted(self, answer: _PollAnswer) -> _PollAnswer:
        row, _, report = answer
        if report is None or self.caller.spoke(row.spoke).profile.end_of_run is EndOfRun.MEASURES:
            return answer
        return answer._replace(report=self.without_state.count(row, report))

    async def _publish_news(self, answers: Sequence[_PollAnswer]) -> frozenset[str]:
        """Publish the answers that say something new, and return the ids of their runs."""
        self._report_failures([each for each in answers if each.result.meaning.verdict is not Verdict.ACCEPTED])
        news = [(answer, event) for answer in answers if (event := self._event_of(answer)) is not None]
        await self.events.publish([event for _, event in news])
        for answer, event in news:
            self._remember(answer, event)
            self.on_news(answer.row.spoke)
        return frozenset(answer.row.run_id for answer, _ in news)

    def _report_failures(self, failed: Sequence[_PollAnswer]) -> None:
        """Report each kind of failure once per page, because failures rarely come alone."""
        for verdict in dict.fromkeys(each.result.meaning.verdict for each in failed):
            alike = [each for each in failed if each.result.meaning.verdict is verdict]
            row, result, _ = alike[0]
            others = f" (and {len(alike) - 1} other{'s' if alike[2:] else ''})" if alike[1:] else ""
            summary = f"{row.spoke} did not return the state of {row.external_id}, its id of run {row.run_id}{others}"
            self.warn(call_failed(result, summary).sentence)

    def _event_of(self, answer: _PollAnswer) -> Event | None:
        row, result, report = answer
        if is_not_there(result):
            return self._not_found_event(row)
        self.not_found.pop(row.run_id, None)
        return self._report_event(row, result, report) if report is not None else None

    def _not_found_event(self, row: RunRow) -> Event | None:
        """Publish that the run was not found; the inbound consumer asks again, and ends a run that stays lost."""
        rounds = self.not_found[row.run_id] = self.not_found.get(row.run_id, 0) + 1
        if rounds < MAX_NOT_FOUND_ROUNDS:
            return None
        del self.not_found[row.run_id]
        return self._build_event(row, f"lost:{row.revision}", body=b"")

    def _report_event(self, row: RunRow, result: CallResult, report: ExternalReport) -> Event | None:
        response, profile = result.accepted_response(), self.caller.spoke(row.spoke).profile
        reading = {
            "ends_with_measures": profile.end_of_run is EndOfRun.MEASURES,
            "keeps_unknown_measures": profile.unknown_measures == "keep",
        }
        role = f"poll:{sha256(response.body).hexdigest()}"
        several = None
        is_unreadable = result.meaning.verdict is not Verdict.ACCEPTED
        if has_news(row, report, self.now(), profile.measures_grace, **reading):
            # The same answer may be news again after the run has changed, so its id names the revision, too.
            role = f"{role}:{row.revision}"
            several = type_of_event(report)
        elif is_unreadable or self._was_last_published(row, response.body):
            return None
        if is_unreadable:
            return self._build_event(row, role, body=b"", asked_at=result.asked_at, event_type=several)
        if len(response.body) > MAX_PUBLISHED_BODY:
            # The topic does not take it: the inbound consumer reads the run itself.
            return self._build_event(row, role, body=b"")
        return self._build_event(
            row, role, response.body, response.headers.get("content-type"), result.asked_at, several
        )

    def _build_event(
        self,
        row: RunRow,
        role: str,
        body: bytes,
        content_type: str | None = None,
        asked_at: datetime | None = None,
        event_type: str | None = None,
    ) -> Event | None:
        event_id = derive_event_id(f"{row.spoke}:{row.external_id}", role)
        if event_id in row.processed_reports or self._is_on_its_way(row, event_id):
            return None
        received = InboundReceived(
            spoke=row.spoke,
            external_id=row.external_id or "",
            channel=Channel.POLL,
            received_at=asked_at or self.now(),
            content_type=content_type,
            event_type=event_type,
            body=body,
        )
        return Event(headers=EventHeaders(id=event_id, time=self.now(), subject=row.run_id), data=received)

    def _is_on_its_way(self, row: RunRow, event_id: str) -> bool:
        """Return whether this answer is published and the inbound consumer has perhaps not caught up with it."""
        last = self.published.get(row.run_id)
        return last is not None and last.event_id == event_id and self.now() - last.at < REPUBLISH_AFTER

    def _was_last_published(self, row: RunRow, body: bytes) -> bool:
        last = self.published.get(row.run_id)
        return last is not None and last.content == sha256(body).digest()

    def _remember(self, answer: _PollAnswer, event: Event) -> None:
        row, response = answer.row, answer.result.response
        body = response.body if isinstance(response, HttpResponse) else b""
        self.without_state.forget(row)
        self.published.pop(row.run_id, None)
        self.published[row.run_id] = _Published(event.id, sha256(body).digest(), self.now())
        if len(self.published) > MAX_REMEMBERED:
            del self.published[next(iter(self.published))]


def _claim_of(row: RunRow, answers: int, at: datetime, profile: Profile) -> PollClaim:
    until = at + _pause(answers, profile)
    return PollClaim(run_id=row.run_id, revision=row.revision, until=until, answers=answers)


def _pause(answers: int, profile: Profile) -> timedelta:
    return pause_after(answers, profile.poll_interval, profile.widest_poll)
