"""Open the run store as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.store.opening import open_store

if TYPE_CHECKING:
    from consumers.store.sql_store import SqlRunStore
    from southbound.settings.settings import Store


async def open_run_store(store: Store) -> SqlRunStore:
    """Open it, with its tables ready.

    Raises:
        SchemaError: a newer version wrote the tables.
        StoreUnavailableError: the database cannot be used now.
    """
    address = store.url.get_secret_value()
    return await open_store(address, lock_timeout=store.lock_timeout, synchronous=store.synchronous)
