"""Build the northbound interface: its server, and the task that publishes what other processes left."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from consumers.metrics import API_REQUESTS, ORDERS_RECOVERED
from consumers.northbound.api.cancel_service_test import cancel_service_test_resource
from consumers.northbound.api.requests import RequestLimits, RequestReader
from consumers.northbound.api.server import ApiServer, ServerLimits
from consumers.northbound.api.service_test import service_test_resource
from consumers.northbound.api.service_test_specification import service_test_specification_resource
from consumers.northbound.orders.order_book import OrderBook
from consumers.northbound.orders.publish_orders import OrderPublisher
from consumers.specifications.catalogue import SpecificationCatalogue
from router.northbound.api_version import ApiVersion
from router.runs.ids import time_ordered_id
from southbound.service.composition.api_access import build_access_guard
from southbound.service.composition.hub import hub_resources
from southbound.service.composition.servicenow import ServiceNowInterface
from southbound.service.composition.shared_resources import utc_now
from southbound.service.specification_source import specification_topic

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from contextlib import AsyncExitStack

    from consumers.store.orders.port import OrderStore
    from southbound.service.composition.shared_resources import SharedResources

log = structlog.get_logger()
PATIENCE = 2.0  # times the time for an acknowledgement, until an order of another process is published here


async def start_api(stack: AsyncExitStack, resources: SharedResources) -> int:
    """Start the server; `stack` stops it. Return its port."""
    settings, version = resources.settings.api, ApiVersion(resources.settings.api.version)
    limits = RequestLimits(
        max_body_bytes=settings.max_body, default_page=min(settings.page, settings.max_page), max_page=settings.max_page
    )
    book, reader = order_book(resources), RequestReader(v4=version, limits=limits, url=settings.url)
    guard = build_access_guard(
        stack,
        resources.settings.access,
        environment=os.environ,
        metrics=resources.metrics,
        max_body_bytes=settings.max_body,
    )
    catalogue = _catalogue(resources)
    servicenow = ServiceNowInterface(resources, book, reader, catalogue)
    await servicenow.follow(stack)
    server = ApiServer(
        host=settings.host,
        port=settings.port,
        version=version,
        resources=[
            service_test_resource(book, reader),
            cancel_service_test_resource(book, reader),
            service_test_specification_resource(catalogue, reader, lambda: str(uuid4())),
            *hub_resources(resources, reader),
            *servicenow.routes(),
        ],
        on_response=lambda method, status: resources.metrics.count(API_REQUESTS, method, str(status)),
        authenticate=guard.middleware(),
        key_header=resources.settings.access.key_header,
        limits=ServerLimits(max_body_bytes=settings.max_body),
    )
    await stack.enter_async_context(server)
    stack.callback(servicenow.answer_all)  # before the server stops
    if resources.settings.access.is_off:
        log.warning(
            "API is open to every process of this machine: set access.keys or access.issuer to authenticate clients"
        )
    return server.port


def api_tasks(resources: SharedResources) -> Iterator[Coroutine[None, None, None]]:
    """Yield the task that publishes orders which a process stored and did not publish."""
    days = resources.settings.store.keep_ended
    publisher = OrderPublisher(
        store=_orders(resources),
        book=order_book(resources),
        now=utc_now,
        warn=lambda sentence: log.warning("publication of stored orders failed; retrying", problem=sentence),
        on_published=lambda count: resources.metrics.count(ORDERS_RECOVERED, by=count),
        patience=timedelta(seconds=resources.settings.api.publish_timeout * PATIENCE),
        keep=timedelta(days=days) if days else timedelta(days=36_500),
    )
    yield publisher.run()


def order_book(resources: SharedResources) -> OrderBook:
    """Build the book of orders over the shared store and publisher."""
    return OrderBook(
        store=_orders(resources),
        events=resources.events,
        now=utc_now,
        new_id=new_order_id,
        limits=resources.limits,
        publish_timeout=resources.settings.api.publish_timeout,
    )


def new_order_id() -> str:
    """Return the id of a run that is ordered now without an id of the client's, or of the event of an order."""
    return time_ordered_id(time.time_ns() // 1_000_000, os.urandom(10))


def _catalogue(resources: SharedResources) -> SpecificationCatalogue:
    return SpecificationCatalogue(
        topic=specification_topic(resources.settings.kafka), store=resources.store.specifications, now=utc_now
    )


def _orders(resources: SharedResources) -> OrderStore:
    if resources.orders is None:
        raise TypeError("the role api needs a store with orders")
    return resources.orders
