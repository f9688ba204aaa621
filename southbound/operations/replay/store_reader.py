"""Read the run store from code that is not asynchronous."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.engine import make_url

from southbound.exit_codes import unreachable
from southbound.service.open_resources import open_run_store

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from consumers.store.sql_store import SqlRunStore
    from southbound.settings.settings import Settings

    T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreReader:
    """A run store, and the event loop that its methods need."""

    store: SqlRunStore
    runner: asyncio.Runner

    def wait_for(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end and return its result."""
        return self.runner.run(work)


@contextmanager
def open_store_reader(settings: Settings) -> Iterator[StoreReader]:
    """Open the run store of the settings for the duration of the block.

    Raises:
        CommandFailedError: there is none.
        StoreUnavailableError: the database is not available.
        SchemaError: a newer version of Southbound wrote the tables.
    """
    check_store_exists(settings.store.url.get_secret_value())
    with asyncio.Runner() as runner:
        store = runner.run(open_run_store(settings.store))
        try:
            yield StoreReader(store, runner)
        finally:
            runner.run(store.close())


def check_store_exists(address: str) -> None:
    """Check that a run store in a file exists: opening one that does not would create it.

    Raises:
        CommandFailedError: it does not.
    """
    url = make_url(address)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise unreachable(f"There is no run store {url.database}: correct its address")
