"""Run `southbound subscriptions list`, `show`, `resume` and `delete`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic_core import to_json
from rich.table import Table
from rich.text import Text
from yarl import URL

from router.northbound.hub.subscription import SubscriptionState
from schemas.codec.printable import printable
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_result, print_text
from southbound.operations.runs import query_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.store.sql_store import SqlRunStore
    from router.northbound.hub.subscription import Delivery, RunSubscription
    from southbound.exit_codes import CommandFailedError
    from southbound.settings.settings import Settings

COLUMNS = (
    "subscription",
    "state",
    "callback",
    "query",
    "tenant",
    "waiting",
    "delivered",
    "refused",
    "dropped",
    "problem",
)
SHOWN_EVENTS = 10


def list_subscriptions(settings: Settings, *, as_json: bool) -> int:
    """Run `southbound subscriptions list`.

    Raises:
        CommandFailedError: the run store cannot be read.
    """
    found = query_store(settings, lambda store: store.subscriptions.list_all())
    if as_json:
        for subscription, waiting in found:
            print_json(_as_json(subscription, waiting=waiting))
    else:
        print_result(_subscription_table(found))
    return ExitCode.SUCCESS


def show_subscription(settings: Settings, subscription_id: str, *, as_json: bool) -> int:
    """Run `southbound subscriptions show`.

    Raises:
        CommandFailedError: the run store cannot be read, or has no such subscription.
    """

    async def read(store: SqlRunStore) -> tuple[RunSubscription | None, Sequence[Delivery]]:
        found = await store.subscriptions.find(subscription_id)
        now = datetime.now(UTC)
        return found, await store.subscriptions.first_deliveries(subscription_id, now, SHOWN_EVENTS) if found else ()

    subscription, deliveries = query_store(settings, read)
    if subscription is None:
        raise _unknown(subscription_id)
    if as_json:
        first = [delivery._asdict() for delivery in deliveries]
        print_json(_as_json(subscription, first_events=first))
    else:
        print_result(_fields_table(subscription))
        for delivery in deliveries:
            print_text(f"waits: {delivery.event_type} of run {delivery.run_id}, event {delivery.event_id}")
    return ExitCode.SUCCESS


def resume_subscription(settings: Settings, subscription_id: str) -> int:
    """Run `southbound subscriptions resume`.

    Raises:
        CommandFailedError: the run store cannot be used, or has no such subscription.
    """
    if not query_store(settings, lambda store: store.subscriptions.resume(subscription_id, datetime.now(UTC))):
        raise _unknown(subscription_id)
    print_text(f"subscription {subscription_id} is active")
    return ExitCode.SUCCESS


def delete_subscription(settings: Settings, subscription_id: str) -> int:
    """Run `southbound subscriptions delete`.

    Raises:
        CommandFailedError: the run store cannot be used, or has no such subscription.
    """
    if not query_store(settings, lambda store: store.subscriptions.remove(subscription_id)):
        raise _unknown(subscription_id)
    print_text(f"subscription {subscription_id} is deleted")
    return ExitCode.SUCCESS


def _unknown(subscription_id: str) -> CommandFailedError:
    return invalid_input(
        [f"There is no subscription {subscription_id[:80]}: list them with `southbound subscriptions list`"]
    )


def _subscription_table(found: Sequence[tuple[RunSubscription, int]]) -> Table:
    table = Table(*COLUMNS, box=None, pad_edge=False)
    table.columns[0].no_wrap = True  # it is copied into the other commands
    for subscription, waiting in found:
        parked = subscription.state is SubscriptionState.PARKED
        table.add_row(
            subscription.subscription_id,
            Text(subscription.state.value, style="bold red" if parked else ""),
            printable(_shown_callback(subscription)),
            printable(subscription.query or "-"),
            printable(subscription.tenant or "-"),
            f"{waiting}",
            f"{subscription.delivered}",
            f"{subscription.refused}",
            f"{subscription.expired}",
            printable(subscription.problem or "-"),
        )
    return table


def _fields_table(subscription: RunSubscription) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _fields(subscription):
        if value is not None and value != "":
            table.add_row(Text(name, style="dim"), printable(f"{value}"))
    return table


def _fields(subscription: RunSubscription) -> Iterator[tuple[str, object]]:
    yield "subscription", subscription.subscription_id
    yield "client", subscription.principal
    yield "tenant", subscription.tenant
    yield "callback", _shown_callback(subscription)
    yield "query", subscription.query
    yield "version", subscription.version.value
    yield "created", subscription.created_at.isoformat(timespec="seconds")
    yield "state", subscription.state.value
    yield "problem", subscription.problem
    yield "failures in a row", subscription.failures
    yield "failing since", subscription.failing_since and subscription.failing_since.isoformat(timespec="seconds")
    yield "next attempt", subscription.next_attempt_at.isoformat(timespec="seconds")
    yield (
        "last delivered",
        subscription.last_delivered_at and subscription.last_delivered_at.isoformat(timespec="seconds"),
    )
    yield "delivered", subscription.delivered
    yield "refused", subscription.refused
    yield "dropped", subscription.expired


def _as_json(subscription: RunSubscription, **more: object) -> str:
    fields = {name.replace(" ", "_"): value for name, value in _fields(subscription)}
    return to_json({**fields, **more}).decode()


def _shown_callback(subscription: RunSubscription) -> str:
    """Return the address without what follows `?`, where subscribers keep tokens."""
    url = URL(subscription.callback, encoded=True)
    return f"{url.origin()}{url.raw_path}{'?…' if url.raw_query_string else ''}"
