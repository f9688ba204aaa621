"""Run `southbound runs list` and `southbound runs show`, and read runs for other commands."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic_core import to_json
from sqlalchemy.engine import make_url

from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError
from router.tables.explain.explanation import explanation_text
from schemas.vocabulary import Phase
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import print_json, print_result
from southbound.operations.run_views import StoredRun, run_details, run_table
from southbound.service.open_resources import open_run_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.store.sql_store import SqlRunStore
    from router.runs.run import RequestRow, RunRow
    from southbound.settings.settings import Settings

T = TypeVar("T")


def list_runs(settings: Settings, *, phase: str | None, spoke: str | None, limit: int, as_json: bool) -> int:
    """Run `southbound runs list`.

    Raises:
        CommandFailedError: the run store cannot be read, or there is no such phase.
    """
    known_phase = _parse_phase(phase)
    rows = query_store(settings, lambda store: store.list_runs(phase=known_phase, spoke=spoke, limit=limit))
    if as_json:
        for row in rows:
            _print_json(row)
    else:
        print_result(run_table(rows))
    return ExitCode.SUCCESS


def show_run(settings: Settings, run_id: str, *, as_json: bool) -> int:
    """Run `southbound runs show`.

    Raises:
        CommandFailedError: the run store cannot be read, or has no such run.
    """

    async def read(store: SqlRunStore) -> StoredRun | None:
        row = await store.run(run_id)
        if row is None:
            return None
        return StoredRun(
            row=row,
            request=await store.request(row.request_id),
            related_runs=tuple(await store.runs_of_request(row.request_id)),
            timeline=tuple(await store.timelines.read(run_id)),
        )

    stored = query_store(settings, read)
    if stored is None:
        raise unknown_run_error(run_id)
    request = stored.request
    if as_json:
        readable_request = replace(request, explanation=explanation_text(request.explanation)) if request else None
        _print_json(
            {
                "run": stored.row,
                "request": readable_request,
                "runs_of_request": [related_run.run_id for related_run in stored.related_runs],
                "timeline": stored.timeline,
            }
        )
    else:
        print_result(run_details(stored))
    return ExitCode.SUCCESS


def find_run(settings: Settings, run_id: str) -> tuple[RunRow | None, RequestRow | None]:
    """Read a run and the request that it belongs to; None if there is no such run.

    Raises:
        CommandFailedError: the run store cannot be read.
    """

    async def read(store: SqlRunStore) -> tuple[RunRow | None, RequestRow | None]:
        row = await store.run(run_id)
        return row, await store.request(row.request_id) if row else None

    return query_store(settings, read)


def unknown_run_error(run_id: str) -> CommandFailedError:
    """Return the error for a run that the run store does not have."""
    search = f"southbound dlq list --run {shlex.quote(run_id)}"
    known = f"The run store has no run {run_id}: list the runs with `southbound runs list`"
    return invalid_input([f"{known}, or look for its dead letter with `{search}`"])


def _print_json(value: object) -> None:
    print_json(to_json(value, exclude_none=True, inf_nan_mode="null").decode())


def _parse_phase(name: str | None) -> Phase | None:
    known = {phase.value: phase for phase in Phase if phase is not Phase.UNKNOWN}
    if name is None or name in known:
        return known.get(name or "")
    raise invalid_input([f"--phase {name}: there are {', '.join(known)}"])


def query_store(settings: Settings, query: Callable[[SqlRunStore], Awaitable[T]]) -> T:
    """Return the result of a query of the run store.

    Raises:
        CommandFailedError: the run store cannot be used.
    """
    _check_store_exists(settings.store.url.get_secret_value())

    async def run_query() -> T:
        store = await open_run_store(settings.store)
        try:
            return await query(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run_query())
    except StoreUnavailableError as error:
        raise unreachable(str(error)) from None
    except SchemaError as error:
        raise invalid_input([str(error)]) from None


def _check_store_exists(address: str) -> None:
    url = make_url(address)
    # Opening SQLite would create an empty file, and a wrong path would look like a store without runs.
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise unreachable(f"There is no run store {url.database}: start `southbound run` once, or correct store.url")
