"""Build the background tasks of the roles, which run on a timer instead of on records."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from consumers.dispatch.outage_notices import UntriedRunNotices
from consumers.inbound.checks.due_checks import DueCheckPublisher
from consumers.inbound.polling.poller import Poller
from consumers.metrics import (
    DEFINITIONS_USED_UP,
    REQUESTS_WAITING,
    RUNS_PRUNED,
)
from consumers.prune_store import StorePruner
from consumers.routing.repeat_commands import CommandRepeater
from consumers.routing.waiting.expire import MissingChildren, PendingRequestExpiry
from consumers.routing.waiting.release import WaitingQueueReleaser
from consumers.spokes.profile import ResultChannel
from southbound.service.composition.observers import repetition_counter
from southbound.service.composition.registration import note_polled_change
from southbound.service.composition.shared_resources import SharedResources, utc_now
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    BackgroundTasks = Iterator[Coroutine[None, None, None]]

log = structlog.get_logger()
MAX_EXPIRY_CHECK_INTERVAL = 15.0  # seconds between two searches for overdue requests


def build_poller(resources: SharedResources) -> Poller | None:
    """Build the poller, or return None if no profile is polled. It owns no partitions, so it may always send."""
    if not any(ResultChannel.POLL in profile.result_channels for profile in resources.rules.profiles):
        return None
    return Poller(
        caller=resources.make_caller(lambda: True),
        store=resources.store,
        events=resources.events,
        now=utc_now,
        warn=lambda sentence: log.warning("polling failed; retrying", problem=sentence),
        on_news=lambda spoke: note_polled_change(resources, spoke),
    )


def build_run_checker(resources: SharedResources) -> DueCheckPublisher:
    """Build the task of the role `inbound` that publishes the checks of runs of which something is missing."""
    return DueCheckPublisher(
        store=resources.store,
        events=resources.events,
        now=utc_now,
        warn=lambda sentence: log.warning("checks of runs failed; retrying", problem=sentence),
    )


def pending_request_expiry(resources: SharedResources) -> PendingRequestExpiry:
    """Build the task of the role `routing` that gives up requests whose children never arrive."""
    deadline = resources.settings.routing.children_deadline
    return PendingRequestExpiry(
        updater=resources.updater,
        deadline=deadline,
        every=min(deadline / 4, MAX_EXPIRY_CHECK_INTERVAL),
        policy=MissingChildren(resources.settings.routing.missing_children),
        warn=lambda sentence: log.warning("expiry of overdue requests failed; retrying", problem=sentence),
    )


def command_repeater(resources: SharedResources) -> CommandRepeater:
    """Build the task of the role `routing` that publishes the commands of runs again that make no progress."""
    return CommandRepeater(
        updater=resources.updater,
        commands=resources.commands,
        warn=lambda sentence: log.warning("repetition of commands failed; retrying", problem=sentence),
        on_repeated=repetition_counter(resources.metrics),
    )


def store_pruner(resources: SharedResources) -> StorePruner | None:
    """Build the task of the role `routing` that deletes ended runs, or return None if all are kept."""
    days = resources.settings.store.keep_ended
    if not days:
        return None

    def count(runs: int) -> None:
        resources.metrics.count(RUNS_PRUNED, by=runs)
        log.info("ended runs deleted", runs=runs, older_than_days=days)

    return StorePruner(
        pruning=resources.store.pruning,
        keep=timedelta(days=days),
        now=utc_now,
        warn=lambda sentence: log.warning("deletion of ended runs failed; retrying", problem=sentence),
        on_pruned=count,
    )


def untried_run_notices(resources: SharedResources) -> UntriedRunNotices:
    """Build the task of the role `dispatch` that publishes updates about runs whose system is down."""
    return UntriedRunNotices(
        updater=resources.updater,
        caller=resources.make_caller(lambda: True),
        warn=lambda sentence: log.warning("updates about an outage failed; retrying", problem=sentence),
    )


def waiting_queue_releaser(resources: SharedResources) -> WaitingQueueReleaser:
    """Build the task of the role `routing` that releases requests which wait for a threshold."""
    releaser = WaitingQueueReleaser(
        updater=resources.updater,
        commands=resources.commands,
        router=resources.route,
        decider=resources.decide,
        threshold_cache=resources.threshold_cache,
        warn=lambda sentence: log.warning("release of waiting requests failed; retrying", problem=sentence),
    )
    resources.metrics.track(REQUESTS_WAITING, lambda: releaser.waiting_requests, Role.ROUTING.value)
    resources.metrics.track(
        DEFINITIONS_USED_UP, lambda: resources.threshold_cache.count_used_up(utc_now()), Role.ROUTING.value
    )
    return releaser
