"""Runs are ordered on a topic of another cluster, and their results are copied to one: nothing is lost by a kill."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import uuid
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from producers.kafka_publisher import KafkaPublisher, producer_settings
from producers.publisher import Message
from schemas.topics import all_topics
from schemas.vocabulary import UpdateKind
from southbound.exit_codes import ExitCode
from southbound.operations.dlq.edits.edit_letters import EditOptions
from southbound.operations.dlq.letter_filter import LetterOptions
from southbound.operations.dlq.redrive import CloseOptions, redrive_letters
from southbound.operations.topic_admin import TopicAdmin
from southbound.service.load_rules import load_rules
from southbound.service.roles import Role
from southbound.service.streams.topic_checks import loops_by_cluster, stream_warnings
from southbound.settings.settings import KafkaSettings, Settings, StreamSettings
from tests.builders.registered_avro import SERVICE_TEST, framed_avro
from tests.builders.runs import a_document
from tests.contract.schemas.test_schema_registry import FakeSchemaRegistry
from tests.fixtures.processes import a_deployment
from tests.fixtures.service import DEFAULT_ROLES, TopicListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from southbound.service.load_rules import RoutingRules
    from tests.fixtures.processes import Deployment

HOUR_MS = 3_600_000
ORDER = {"relatedService": {"id": "PI0001"}, "testSpecification": {"id": "fibre-line"}, "state": "acknowledged"}


def an_order(run_id: str, **more: Any) -> bytes:  # noqa: ANN401 - any attribute of a ServiceTest
    """Return a `ServiceTest` as a flow of ServiceNow writes it."""
    return json.dumps({"id": run_id, "name": f"Line test {run_id}", **ORDER, **more}).encode()


@contextmanager
def a_registry(schemas: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Serve a schema registry that has these schemas under their ids, and yield its address."""
    FakeSchemaRegistry.subjects, FakeSchemaRegistry.seen = {}, []
    FakeSchemaRegistry.by_id = {id_: {"schema": json.dumps(schema)} for id_, schema in schemas.items()}
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeSchemaRegistry) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/apis/ccompat/v7"
        finally:
            server.shutdown()


def create_topics(bootstrap: str, names: tuple[str, ...], hours: float) -> None:
    """Create topics that keep their records for some hours."""
    kept = {"retention.ms": str(int(hours * HOUR_MS))}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    created = admin.create_topics(
        [NewTopic(name, num_partitions=2, replication_factor=1, config=kept) for name in names]
    )
    for future in created.values():
        future.result(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSystem:
    """The system on the other cluster: it orders runs there and reads their results."""

    deployment: Deployment
    orders: str
    publishers: tuple[KafkaPublisher, ...]  # of the other cluster, and of the one of Southbound
    results: TopicListener

    @property
    def rules(self) -> RoutingRules:
        """The profiles of both streams."""
        settings = self.deployment.service.settings
        return load_rules(settings.routing, None, settings.streams)

    async def order(self, *bodies: bytes, on: int = 0, **headers: str) -> None:
        """Order runs on one of the clusters."""
        pairs = tuple((name, text.encode()) for name, text in headers.items())
        await self.publishers[on].publish([Message(self.orders, body[:20], body, pairs) for body in bodies])

    def ended(self) -> list[str]:
        """Return the runs with a result, once for each event."""
        events = {one.header("ce_id"): one for one in self.results.events}
        return sorted(
            str(one.header("ce_subject")) for one in events.values() if one.header("ce_type") == "southbound.RunResult"
        )

    def posted(self) -> list[str]:
        """Return the names of the runs that external systems were sent, once for each POST."""
        requests = [one for system in self.deployment.service.systems.values() for one in system.request_log.requests]
        return sorted(json.loads(one.body)["name"] for one in requests if one.method == "POST")


@asynccontextmanager
async def other_system(
    inside: str, outside: str, folder: Path, *clusters: str, tenant: str | None = None
) -> AsyncIterator[OtherSystem]:
    """Prepare a deployment whose source has these clusters, and whose results are copied to the cluster outside.

    With `tenant`, runs are ordered for it, and only its results are copied.
    """
    name = f"snc.t{uuid.uuid4().hex[:8]}.default.sn_streamconnect"
    orders, results = f"{name}.test_runs", f"{name}.test_results"
    for cluster in {*clusters, outside}:
        create_topics(cluster, (orders, results), hours=1)
    for kind, content in (
        (
            "sources",
            {"bootstrap": [*clusters], "topic": orders, "client": {"session.timeout.ms": 3000}, "tenant": tenant},
        ),
        ("destinations", {"bootstrap": outside, "results": results, "tenants": [tenant] if tenant else []}),
    ):
        (folder / kind).mkdir()
        (folder / kind / "desk.yaml").write_text(json.dumps({"name": "desk", **content}))
    streams = StreamSettings(sources=folder / "sources", destinations=folder / "destinations")
    async with a_deployment(inside, folder, streams=streams) as deployment:
        publishers = tuple(KafkaPublisher(producer_settings(each)) for each in (outside, inside))
        listener = TopicListener(outside, [results])
        try:
            yield OtherSystem(deployment=deployment, orders=orders, publishers=publishers, results=listener)
        finally:
            listener.close()
            for publisher in publishers:
                await publisher.close()


async def test_orders_and_results_of_another_cluster_survive_a_kill(
    kafka_bootstrap: str, other_kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with other_system(kafka_bootstrap, other_kafka_bootstrap, tmp_path, other_kafka_bootstrap) as desk:
        deployment, service = desk.deployment, desk.deployment.service
        await service.start()
        streams = await deployment.start("ingress", "egress", wait=False)
        names = [f"TR{number:03}" for number in range(20)]
        await desk.order(*(an_order(name) for name in names[:10]))
        await service.wait_until(desk.ended, "a first result on the other cluster")
        await desk.order(*(an_order(name) for name in names[10:]))
        streams.send(signal.SIGKILL)
        await streams.wait_for_exit()
        await deployment.start("ingress", "egress", wait=False)
        await service.wait_until(lambda: desk.ended() == names, "every result on the other cluster, once")
        assert len(desk.posted()) == len(names)
        assert service.dead_letters() == []

        (warning,) = stream_warnings(service.settings, desk.rules, {})
        assert f"source desk: {desk.orders} keeps records for 1 h, and streams.longest_outage is 24 h" in warning


async def test_orders_in_avro_of_a_registry_are_taken_and_only_the_results_of_their_tenant_are_copied(
    kafka_bootstrap: str, other_kafka_bootstrap: str, tmp_path: Path
) -> None:
    clusters = (other_kafka_bootstrap,)
    async with other_system(kafka_bootstrap, other_kafka_bootstrap, tmp_path, *clusters, tenant="north") as desk:
        service = desk.deployment.service
        with a_registry({7: SERVICE_TEST}) as address:
            kafka = service.settings.kafka.model_copy(update={"registry": SecretStr(address), "format": "json"})
            service.settings = service.settings.model_copy(update={"kafka": kafka})
            service.rules = replace(service.rules, sources=desk.rules.sources, destinations=desk.rules.destinations)
            await service.start((*DEFAULT_ROLES, Role.INGRESS, Role.EGRESS))
            await service.request(a_document("SOUTH"))
            await service.wait_until(service.results, "the run of no tenant has ended")
            order = {"id": "NORTH", "name": "Line test NORTH", **ORDER}
            await desk.order(framed_avro(SERVICE_TEST, order))
            await service.wait_until(desk.ended, "the result of the tenant on the other cluster")
            await service.result_of("NORTH")  # this test may read it later than the copy
            assert {result.run_id for result in service.results()} == {"SOUTH", "NORTH"}
            assert desk.ended() == ["NORTH"]
            assert service.dead_letters() == []


def test_a_loop_is_found_by_the_ids_of_cluster_and_topic_whatever_the_address(
    kafka_bootstrap: str, other_kafka_bootstrap: str, tmp_path: Path
) -> None:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix="p.")
    alias = kafka_bootstrap.replace("127.0.0.1", "localhost")
    assert alias != kafka.servers
    for servers in (kafka_bootstrap, other_kafka_bootstrap):  # in containers both clusters have the same id
        admin = TopicAdmin({"bootstrap.servers": servers})
        admin.apply(admin.plan([topic for topic in all_topics("p.") if topic.name == "p.testrun.results"]))
    for name, servers in (("alias", alias), ("other", other_kafka_bootstrap), ("away", "127.0.0.1:1")):
        (tmp_path / f"{name}.yaml").write_text(
            json.dumps({"name": name, "bootstrap": [servers], "topic": "p.testrun.results"})
        )
    settings = Settings(kafka=kafka, streams=StreamSettings(sources=tmp_path))
    (mistake,) = loops_by_cluster(settings, load_rules(settings.routing, None, settings.streams), {})
    assert mistake == (
        "source 'alias': p.testrun.results is a topic of Southbound itself: name the topic of another system"
        f" (the cluster at {alias} is the one of kafka.bootstrap)"
    )


async def test_two_clusters_order_a_run_once_and_a_refused_order_is_redriven(
    kafka_bootstrap: str, other_kafka_bootstrap: str, tmp_path: Path
) -> None:
    clusters = (other_kafka_bootstrap, kafka_bootstrap)
    async with other_system(kafka_bootstrap, other_kafka_bootstrap, tmp_path, *clusters) as desk:
        service = desk.deployment.service
        service.rules = replace(service.rules, sources=desk.rules.sources, destinations=desk.rules.destinations)
        await service.start((*DEFAULT_ROLES, Role.INGRESS, Role.EGRESS))
        for cluster in (0, 1):
            await desk.order(an_order("TR1"), on=cluster, ce_id="E1")
        refused = json.dumps({"id": "TR2", **ORDER}).encode()
        await desk.order(refused, on=1, ce_id="E2")
        letter = await service.dead_letter(refused)
        assert letter.header("southbound-dlq-code") == "ORDER_REFUSED"
        assert (letter.header("southbound-dlq-class"), letter.header("southbound-dlq-run")) == ("rejected", "TR2")
        [told] = await service.wait_until(lambda: service.updates("TR2"), "the update about the refused order")
        assert (told.kind, [reason.code for reason in told.reasons]) == (UpdateKind.FALLOUT, ["ORDER_REFUSED"])
        await service.wait_until(lambda: desk.ended() == ["TR1"], "the result of the run that both clusters have")

        assert [one.header("southbound-dlq-reason") for one in service.dead_letters() if one.value != refused] == []
        corrected = tmp_path / "corrected.json"
        corrected.write_bytes(an_order("TR2"))
        options = CloseOptions(every=True, edit=EditOptions(file=corrected, raw=True))
        assert await asyncio.to_thread(redrive_letters, service.settings, LetterOptions(), options) == ExitCode.SUCCESS
        await service.wait_until(lambda: desk.ended() == ["TR1", "TR2"], "the result of the redriven order")
        assert [name.partition(" [")[0] for name in desk.posted()] == ["Line test TR1", "Line test TR2"]
