"""Read the rows of a root's children, and complete the root's document with the children that it only names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.runs.hierarchy import child_ids, missing_children, with_children
from router.runs.pending import ended_undecided, is_pending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.store.port import RunStore
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument


async def read_children(store: RunStore, root: RunDocument) -> list[RunRow]:
    """Return the rows of the children that a root embeds or names."""
    return await read_rows_of_root(store, root.run_id, child_ids(root))


async def cancelled_children(store: RunStore, root: RunDocument) -> list[RunRow]:
    """Return the rows of the children that a root embeds or names and that were cancelled before it was routed."""
    return [row for row in await read_children(store, root) if ended_undecided(row)]


async def read_pending_children(store: RunStore, root: RunRow) -> dict[str, RunRow]:
    """Return the pending rows of the children that a root names and that arrived as events of their own, by run id."""
    named = await read_rows_of_root(store, root.run_id, root.requested.child_run_ids)
    return {row.run_id: row for row in named if is_pending(row)}


async def complete_hierarchy(store: RunStore, root: RunRow) -> tuple[RunDocument, dict[str, RunRow]] | None:
    """Return a pending root's document with all its children, and their rows; None if some are missing."""
    children = await read_pending_children(store, root)
    if missing_children(root.requested, children):
        return None
    arrived = [row.requested for row in children.values()]
    document = with_children(root.requested, arrived) if arrived else root.requested
    return document, {root.run_id: root, **children}


async def read_rows_of_root(store: RunStore, root_run_id: str, run_ids: Iterable[str]) -> list[RunRow]:
    """Return the rows of those of these runs that belong to this root."""
    found = await asyncio.gather(*map(store.run, run_ids))
    return [row for row in found if row is not None and row.root_run_id == root_run_id]
