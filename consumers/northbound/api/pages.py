"""Read a page of runs, and write the headers that say which part of the list it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.store.orders.port import MAX_SEARCHED_RUNS, ListPosition, RunQuery
from router.northbound.lists.pushdown import Pushdown
from router.northbound.lists.sort import sort_text, sorted_by
from router.northbound.resource import to_resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from consumers.store.orders.port import OrderStore
    from router.northbound.api_version import ApiVersion
    from router.northbound.lists.query import ListRequest
    from router.northbound.lists.sort import SortKey
    from router.northbound.order import RunView
    from router.northbound.resource import Resource

MAX_COUNTED_RUNS = 100_000  # a longer list has no total
MAX_SCANNED_RUNS = 2_000  # that are read for filters which the database does not decide
_BATCH = 100
_MAX_SORT_TEXT = 1_000  # characters that are compared where the database does not sort


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list. `total` is None if it is not known, because only the newest runs were searched."""

    resources: Sequence[Resource]
    offset: int
    limit: int
    total: int | None

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole list."""
        return self.total == len(self.resources)

    def headers(self, url: URL) -> dict[str, str]:
        """Return the headers of TMF630 and RFC 9110."""
        count, total = len(self.resources), "*" if self.total is None else str(self.total)
        part = f"{self.offset}-{self.offset + count - 1}" if count else "*"
        headers = {"X-Result-Count": str(count), "Content-Range": f"items {part}/{total}", "Link": self._links(url)}
        return headers if self.total is None else headers | {"X-Total-Count": str(self.total)}

    def _links(self, url: URL) -> str:
        places = {"self": self.offset, "first": 0}
        if self.offset > 0:
            places["prev"] = max(0, self.offset - self.limit)
        if self.total is None or self.offset + len(self.resources) < self.total:
            places["next"] = self.offset + self.limit
        if self.total:
            places["last"] = (self.total - 1) // self.limit * self.limit
        return ", ".join(
            f'<{url.update_query(offset=str(offset), limit=str(self.limit))}>; rel="{name}"'
            for name, offset in places.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReader:
    """Reads pages of runs from the store."""

    store: OrderStore

    async def read(self, wanted: ListRequest, version: ApiVersion, tenant: str | None, base_url: str) -> Page:
        """Return a page, newest run first unless it is sorted.

        What the database decides is searched in the newest `MAX_SEARCHED_RUNS`; other filters are applied to the
        newest `MAX_SCANNED_RUNS` of what it finds. Behind that, the total is unknown.
        """
        pushdown = wanted.pushdown
        query = RunQuery(tenant=tenant, pushdown=pushdown, offset=wanted.offset, limit=wanted.limit, sort=wanted.sort)
        if not pushdown.is_complete:
            return await self._scan(wanted, query, version, base_url)
        views, total = await self.views(query)
        shown = [to_resource(view, version, base_url) for view in views]
        resources = [each for each in shown if wanted.matches(each)] if wanted.filters else shown
        return Page(resources=resources, offset=wanted.offset, limit=wanted.limit, total=total)

    async def views(self, query: RunQuery) -> tuple[Sequence[RunView], int | None]:
        """Return the runs of a page that the database decides alone, and how many there are; None: it is not known."""
        return await self.store.list_views(query), await self._total(query)

    async def _total(self, query: RunQuery) -> int | None:
        if not await self._searches_all(query):
            return None
        counted = RunQuery(tenant=query.tenant, pushdown=query.pushdown, limit=MAX_COUNTED_RUNS + 1)
        total = await self.store.count_views(counted)
        return total if total <= MAX_COUNTED_RUNS else None

    async def _searches_all(self, query: RunQuery) -> bool:
        if query.pushdown.states is None and not query.pushdown.fields and not query.sort:
            return True
        everything = RunQuery(tenant=query.tenant, pushdown=Pushdown(), limit=MAX_SEARCHED_RUNS + 1)
        return await self.store.count_views(everything) <= MAX_SEARCHED_RUNS

    async def _scan(self, wanted: ListRequest, query: RunQuery, version: ApiVersion, base_url: str) -> Page:
        # Documents may be large, so that of all runs that are found only those of the page are kept.
        window: dict[str, Resource] = {}
        found: list[_FoundRun] = []
        after, scanned, is_end = None, 0, False
        while not is_end and scanned < MAX_SCANNED_RUNS:
            views = await self.store.list_views(
                RunQuery(tenant=query.tenant, pushdown=query.pushdown, limit=_BATCH, after=after)
            )
            scanned, is_end = scanned + len(views), len(views) < _BATCH
            for view in views:
                resource = to_resource(view, version, base_url)
                if wanted.matches(resource):
                    if not wanted.sort and wanted.offset <= len(found) < wanted.offset + wanted.limit:
                        window[view.run_id] = resource
                    found.append(_FoundRun(view, wanted.sort))
            if views:
                last = views[-1]
                created_at = last.row.created_at if last.row is not None else last.created_at
                after = ListPosition(created_at, last.run_id)
            await asyncio.sleep(0)  # other requests take their turn
        total = len(found) if is_end and await self._searches_all(query) else None
        if wanted.sort:
            ordered = sorted_by(found, wanted.sort, lambda each, name: each.texts[name])
            run_ids = [each.run_id for each in ordered[wanted.offset : wanted.offset + wanted.limit]]
            window = {view.run_id: to_resource(view, version, base_url) for view in await self._again(run_ids)}
        return Page(resources=[*window.values()], offset=wanted.offset, limit=wanted.limit, total=total)

    async def _again(self, run_ids: Sequence[str]) -> Sequence[RunView]:
        """Return these runs, in this order and as they are by now, without those that are gone."""
        query = RunQuery(pushdown=Pushdown(run_ids=tuple(run_ids)), limit=max(1, len(run_ids)))
        places = {run_id: place for place, run_id in enumerate(run_ids)}
        return sorted(await self.store.list_views(query), key=lambda view: places[view.run_id])


class _FoundRun:
    """A run that was found, by what it is sorted by."""

    __slots__ = ("run_id", "texts")

    def __init__(self, view: RunView, keys: Sequence[SortKey]) -> None:
        self.run_id = view.run_id
        self.texts = {key.name: sort_text(view, key.name)[:_MAX_SORT_TEXT] for key in keys}
