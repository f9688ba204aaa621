"""The role api with its settings: clients prove who they are, see their tenant's runs only, and leave an audit log."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from consumers.metrics import Metrics
from consumers.northbound.access.api_keys import digest_of
from producers.event_publisher import EventPublisher
from router.northbound.principal import Scope
from schemas.topics import TopicNames
from southbound.service.composition.northbound import start_api
from southbound.service.composition.shared_resources import SharedResources
from southbound.service.load_rules import load_rules
from southbound.service.open_resources import open_run_store
from southbound.service.table_sources import FileTables
from southbound.settings.access import AccessSettings
from southbound.settings.settings import ApiSettings, Settings, StoreSettings
from tests.builders.tokens import AUDIENCE, ISSUER, claims, issuer_key, key_set
from tests.fakes.external_system import FakeSystem
from tests.fakes.identity_provider import identity_provider
from tests.fakes.recording_publisher import RecordingPublisher
from tests.harness.gateway import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

SERVICE_TEST = "/tmf-api/serviceTestManagement/v4/serviceTest"
ACME, OTHER, READER = "a" * 40, "o" * 40, "r" * 40
LONG_AFTER = 4_000_000_000  # the clock of the process decides
ORDER = {
    "name": "line test",
    "relatedService": {"id": "S1", "href": "http://inventory/S1"},
    "testSpecification": {"id": "fibre-line", "href": "http://specs/fibre-line"},
}


@dataclass
class RunningApi:
    """The role api on a free port."""

    url: str
    session: aiohttp.ClientSession
    metrics: Metrics

    async def call(
        self, method: str, path: str = "", /, *, body: object = None, **headers: str
    ) -> tuple[int, Mapping[str, str], Any]:
        written = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + SERVICE_TEST + path, json=body, headers=written) as response:
            text = await response.text()
            return response.status, response.headers, json.loads(text) if text else None


@asynccontextmanager
async def running_api(folder: Path, **access: Any) -> AsyncIterator[RunningApi]:  # noqa: ANN401 - fields of settings
    settings = Settings(
        api=ApiSettings(port=0, max_body=2_048),
        access=AccessSettings(**access),
        store=StoreSettings(url=f"sqlite:///{folder}/store.db"),
    )
    rules, metrics = load_rules(settings.routing), Metrics()
    async with AsyncExitStack() as stack:
        store = await open_run_store(settings.store)
        stack.push_async_callback(store.close)
        resources = SharedResources(
            settings=settings,
            rules=rules,
            tables=FileTables(tables=rules.tables),  # type: ignore[arg-type] # the shipped ones are files
            store=store,
            orders=store.orders,
            events=EventPublisher(publisher=RecordingPublisher(), envelope=ENVELOPE, topics=TopicNames()),
            client=FakeSystem(),
            metrics=metrics,
        )
        port = await start_api(stack, resources)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield RunningApi(f"http://127.0.0.1:{port}", session, metrics)


def key_file(folder: Path) -> Path:
    clients = [
        {"name": "acme", "tenant": "acme", "scopes": ["read", "order", "cancel"]},
        {"name": "other", "tenant": "other", "scopes": ["read", "order", "cancel"]},
        {"name": "reader", "tenant": "*", "scopes": ["read"]},
    ]
    for client, key in zip(clients, (ACME, OTHER, READER), strict=True):
        client["keys"] = [f"sha256:{digest_of(key).hex()}"]
    file = folder / "keys.yaml"
    file.write_text(json.dumps({"clients": clients}))
    return file


async def test_runs_of_another_tenant_do_not_exist_for_a_client(tmp_path: Path) -> None:
    async with running_api(tmp_path, keys=key_file(tmp_path)) as api:
        status, _, run = await api.call("POST", body=ORDER, X_API_Key=ACME)
        assert status == 201, run
        path = f"/{run['id']}"
        assert [(await api.call("GET", path, X_API_Key=key))[0] for key in (ACME, READER, OTHER)] == [200, 200, 404]
        assert [len((await api.call("GET", X_API_Key=key))[2]) for key in (ACME, READER, OTHER)] == [1, 1, 0]
        assert (await api.call("PATCH", path, body={"state": "cancelled"}, X_API_Key=OTHER))[0] == 404
        assert (await api.call("DELETE", path, X_API_Key=OTHER))[0] == 404
        assert (await api.call("DELETE", path, X_API_Key=READER))[0] == 403
        assert (await api.call("DELETE", path, X_API_Key=ACME))[0] == 204


async def test_every_change_leaves_one_line_with_its_run(tmp_path: Path) -> None:
    async with running_api(tmp_path, keys=key_file(tmp_path)) as api:
        with capture_logs() as logs:
            _, _, run = await api.call("POST", body=ORDER, X_API_Key=ACME, X_Correlation_Id="order-7")
            await api.call("GET", f"/{run['id']}", X_API_Key=ACME)
            await api.call("POST", body={"name": 3}, X_API_Key=ACME)
            await api.call("POST", body={"name": "x" * 3_000}, X_API_Key=ACME)
            await api.call("DELETE", f"/{run['id']}", X_API_Key=ACME)
        lines = [line for line in logs if line.get("logger") == "southbound.audit"]
        assert [(line["method"], line["status"], line["outcome"], line["run"]) for line in lines] == [
            ("POST", 201, "accepted", run["id"]),
            ("POST", 400, "refused", ""),
            ("POST", 413, "refused", ""),
            ("DELETE", 204, "accepted", run["id"]),
        ]
        assert (lines[0]["client"], lines[0]["tenant"], lines[0]["correlation"]) == ("key:acme", "acme", "order-7")
        assert ACME not in str(logs)
        scraped = generate_latest(api.metrics.registry).decode()
        assert 'southbound_api_client_requests_total{client="key:acme",outcome="accepted"} 3.0' in scraped


async def test_a_token_orders_for_its_tenant(tmp_path: Path) -> None:
    async with identity_provider() as provider:
        provider.document = key_set(issuer_key())
        tokens = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": provider.url, "tenant_claim": "tenant"}
        async with running_api(tmp_path, keys=key_file(tmp_path), **tokens) as api:
            token = issuer_key().sign(claims(exp=LONG_AFTER, iat=None))
            status, _, run = await api.call("POST", body=ORDER, Authorization=f"Bearer {token}")
            assert status == 201, run
            assert (await api.call("GET", f"/{run['id']}", X_API_Key=ACME))[0] == 200
            assert (await api.call("GET", f"/{run['id']}", X_API_Key=OTHER))[0] == 404
            cancelled = await api.call("DELETE", f"/{run['id']}", Authorization=f"Bearer {token}")
            assert (cancelled[0], cancelled[2]["@type"]) == (403, "Error")
            assert Scope.CANCEL.value in cancelled[1]["WWW-Authenticate"]
            expired = issuer_key().sign(claims(exp=1_000, iat=None))
            assert (await api.call("GET", Authorization=f"Bearer {expired}"))[2]["reason"] == "the token is expired"


async def test_only_the_description_is_open(tmp_path: Path) -> None:
    async with running_api(tmp_path, keys=key_file(tmp_path), key_header="X-Key") as api:
        async with api.session.get(api.url + "/openapi.json") as response:
            schemes = (await response.json())["components"]["securitySchemes"]
            assert schemes["apiKey"]["name"] == "X-Key"
        for path, status in (("/openapi.json", 200), ("/", 200), ("/unknown", 401), (SERVICE_TEST, 401)):
            async with api.session.get(api.url + path) as response:
                assert response.status == status, path


async def test_without_settings_this_machine_may_do_everything_and_the_log_says_so(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with running_api(tmp_path) as api:
            assert (await api.call("POST", body=ORDER))[0] == 201
            assert (await api.call("POST", body=ORDER, Origin="http://evil.example"))[2]["code"] == "notLocal"
    (warning,) = [line for line in logs if line["event"].startswith("API is open to every process")]
    assert warning["log_level"] == "warning"
