"""Build what the northbound interface serves for ServiceNow."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from consumers.metrics import SERVICE_TEST_REQUESTS, SERVICE_TEST_REQUESTS_WAITING
from consumers.northbound.servicenow.kafka_signals import KafkaSignals
from consumers.northbound.servicenow.management_api import management_resource
from consumers.northbound.servicenow.run_signals import RunSignals
from consumers.northbound.servicenow.specifications_api import specification_management_resource
from consumers.northbound.servicenow.spoke_requests import SpokeRequestSettings, spoke_requests_resource
from southbound.service.kafka_settings import standalone_consumer_settings

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.api.resource_routes import ResourceRoutes
    from consumers.northbound.orders.order_book import OrderBook
    from consumers.specifications.catalogue import SpecificationCatalogue
    from southbound.service.composition.shared_resources import SharedResources

log = structlog.get_logger()
START_TIMEOUT = 10.0  # seconds until requests are taken although Kafka cannot be read


class ServiceNowInterface:
    """The resources for ServiceNow that the settings choose."""

    def __init__(
        self,
        resources: SharedResources,
        book: OrderBook,
        reader: RequestReader,
        catalogue: SpecificationCatalogue,
    ) -> None:
        self._resources = resources
        self._catalogue = catalogue
        self._book = book
        self._reader = reader
        self._settings = resources.settings.servicenow
        self._signals = RunSignals(self._settings.max_waiting)

    def routes(self) -> list[ResourceRoutes]:
        """Return the routes."""
        form = self._settings.form()
        found: list[ResourceRoutes] = []
        if self._settings.paths:
            found += [
                management_resource(self._book, self._reader, form),
                specification_management_resource(self._catalogue, self._reader, lambda: str(uuid4()), form.zone),
            ]
        if self._settings.requests:
            answering = SpokeRequestSettings(
                time_limit=self._settings.time_limit, tables=frozenset(self._settings.tables), form=form
            )
            metrics = self._resources.metrics
            metrics.track(SERVICE_TEST_REQUESTS_WAITING, lambda: self._signals.waiting)
            found.append(
                spoke_requests_resource(
                    self._book,
                    self._reader,
                    self._signals,
                    answering,
                    lambda outcome: metrics.count(SERVICE_TEST_REQUESTS, outcome),
                )
            )
        return found

    async def follow(self, stack: AsyncExitStack) -> None:
        """Read what is published about runs, if a request may wait for it; `stack` stops it."""
        if not self._settings.requests:
            return
        topics = self._resources.events.topics
        reading = KafkaSignals(
            {**standalone_consumer_settings(self._resources.settings.kafka), "client.id": "southbound-run-signals"},
            (topics.results, topics.inflight),
            envelope=self._resources.events.envelope,
            signals=self._signals,
            warn=lambda sentence: log.warning(
                "results cannot be read; waiting requests read the run store every few seconds", problem=sentence
            ),
        )
        await stack.enter_async_context(reading)
        with suppress(TimeoutError):  # what is published before is noticed later
            async with asyncio.timeout(START_TIMEOUT):
                await reading.is_following.wait()

    def answer_all(self) -> None:
        """Answer the requests that wait, because the process stops: their results come later."""
        self._signals.close()
