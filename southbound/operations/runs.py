"""Run `southbound runs list` and `southbound runs show`, and read runs for other commands."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic_core import to_json
from sqlalchemy.engine import make_url

from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError, UnstorableError
from router.tables.explain.explanation import explanation_text
from schemas.text.counts import count_noun
from schemas.vocabulary import Phase
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import print_json, print_result, print_status, print_text
from southbound.operations.input_file import read_input
from southbound.operations.run_views import StoredRun, run_details, run_table
from southbound.service.open_resources import open_run_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from consumers.store.sql_store import SqlRunStore
    from router.runs.run import RequestRow, RunRow
    from southbound.settings.settings import Settings

T = TypeVar("T")
_MAX_IDS = 100_000  # of one command: their rows are held in memory
_MAX_NAMED = 20  # ids in one sentence
_PAGE_SIZE = 500  # runs that are read together


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListOptions:
    """The options of `runs list`. `ids` names a file with an id per line, `-` for standard input."""

    phase: str | None = None
    spoke: str | None = None
    ids: str | None = None
    limit: int = 50
    count: bool = False
    as_json: bool = False


def list_runs(settings: Settings, options: RunListOptions) -> int:
    """Run `southbound runs list`.

    Raises:
        CommandFailedError: the run store cannot be read, there is no such phase, or it lacks a run that `ids` names.
    """
    phase, spoke = _parse_phase(options.phase), options.spoke
    if options.ids is not None:
        return _list_named(settings, options, phase, _read_ids(options.ids))
    if options.count:
        counts = query_store(settings, lambda store: store.count_by_phase(spoke))
        _print_counts(Counter({one: counts[one] for one in counts if phase in {None, one}}), as_json=options.as_json)
        return ExitCode.SUCCESS

    async def read(store: SqlRunStore) -> tuple[Sequence[RunRow], int]:
        rows = await store.list_runs(phase=phase, spoke=spoke, limit=options.limit)
        if options.as_json or len(rows) < options.limit:
            return rows, len(rows)
        counts = await store.count_by_phase(spoke)
        return rows, counts.get(phase, 0) if phase else sum(counts.values())

    rows, total = query_store(settings, read)
    _print_rows(rows, as_json=options.as_json)
    if total > len(rows):
        print_status(
            f"the {len(rows):,} of {total:,} runs that were updated last: narrow them with --phase, --spoke or --ids,"
            " use --limit, or count them with --count"
        )
    return ExitCode.SUCCESS


def _list_named(settings: Settings, options: RunListOptions, phase: Phase | None, ids: Sequence[str]) -> int:
    async def read(store: SqlRunStore) -> list[RunRow | None]:
        return [row for page in _pages(ids) for row in await asyncio.gather(*map(store.run, page))]

    found = query_store(settings, read)
    missing = [run_id for run_id, row in zip(ids, found, strict=True) if row is None]
    rows = [row for row in found if row and phase in {None, row.phase} and options.spoke in {None, row.spoke}]
    if options.count:
        _print_counts(Counter([row.phase for row in rows]), as_json=options.as_json)
    else:
        _print_rows(rows, as_json=options.as_json)
    if missing:
        named = ", ".join(missing[:_MAX_NAMED]) + (" …" if missing[_MAX_NAMED:] else "")
        count = f"{len(missing):,} of {count_noun(len(ids), 'run')}"
        raise invalid_input(
            [f"The run store does not have {count}: {named}; look for dead letters with `southbound dlq list --run ID`"]
        )
    print_status(f"all {len(ids):,} are there" if ids else f"{options.ids} names no run")
    return ExitCode.SUCCESS


def _read_ids(file: str) -> list[str]:
    text, name = read_input(file, "a file with the id of a run on each line")
    ids = list(dict.fromkeys(stripped for line in text.splitlines() if (stripped := line.strip())))
    if len(ids) > _MAX_IDS:
        raise invalid_input([f"{name}: has more than {_MAX_IDS:,} ids: split the file"])
    return ids


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _PAGE_SIZE):
        yield ids[start : start + _PAGE_SIZE]


def _print_rows(rows: Sequence[RunRow], *, as_json: bool) -> None:
    if not as_json:
        print_result(run_table(rows))
        return
    for row in rows:
        _print_json(row)


def _print_counts(counts: Counter[Phase], *, as_json: bool) -> None:
    if as_json:
        print_json(json.dumps({phase.value: count for phase, count in counts.most_common()}))
        return
    named = ", ".join(f"{count:,} {phase.value}" for phase, count in counts.most_common() if count)
    print_text(f"{count_noun(counts.total(), 'run')}{f': {named}' if named else ''}")


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
    except (SchemaError, UnstorableError) as error:
        raise invalid_input([str(error)]) from None


def _check_store_exists(address: str) -> None:
    url = make_url(address)
    # Opening SQLite would create an empty file, and a wrong path would look like a store without runs.
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise unreachable(f"There is no run store {url.database}: start `southbound run` once, or correct store.url")
