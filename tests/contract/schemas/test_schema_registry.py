"""Schema ids are read from any server with the API of a Confluent schema registry."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import pytest

from schemas.catalogue import CATALOGUE
from schemas.codec.codec import Codec
from schemas.codec.schema_registry import RegistryError, read_registered_schema, resolve_ids
from schemas.lifecycle import RunRequested
from tests.builders.runs import a_document

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBJECT = "southbound.testrun.RunRequested"


class FakeSchemaRegistry(BaseHTTPRequestHandler):
    """The four calls of the Confluent API that we use: register, look up, list versions, read one version."""

    subjects: ClassVar[dict[str, list[tuple[int, str]]]]
    seen: ClassVar[list[tuple[str, str | None]]]
    by_id: ClassVar[dict[int, dict[str, Any]]] = {}

    def do_POST(self) -> None:
        subject, registers = self._subject()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        versions = self.subjects.setdefault(subject, [])
        known = [id_ for id_, text in versions if text == body["schema"]]
        if not known and not registers:
            return self._answer(404, {"error_code": 40403, "message": "Schema not found"})
        if not known:
            known = [sum(map(len, self.subjects.values())) + 500]
            versions.append((known[0], body["schema"]))
        return self._answer(200, {"id": known[0]})

    def do_GET(self) -> None:
        place, _, name = self.path.rpartition("/")
        if place.endswith("/schemas/ids"):
            found = self.by_id.get(int(name))
            return self._answer(200 if found else 404, found or {"error_code": 40403})
        subject, _ = self._subject()
        versions = self.subjects.get(subject, [])
        last = self.path.rpartition("/")[2]
        if last == "versions":
            return self._answer(200, list(range(1, len(versions) + 1)))
        id_, text = versions[int(last) - 1]
        return self._answer(200, {"subject": subject, "version": int(last), "id": id_, "schema": text})

    def _subject(self) -> tuple[str, bool]:
        self.seen.append((self.path, self.headers.get("Authorization")))
        parts = self.path.removeprefix("/apis/ccompat/v7/subjects/").split("/")
        return unquote(parts[0]), len(parts) > 1

    def _answer(self, status: int, content: Any) -> None:  # noqa: ANN401 - any JSON
        raw = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in http.server
        """Log nothing."""


@pytest.fixture
def registry() -> Iterator[ThreadingHTTPServer]:
    FakeSchemaRegistry.subjects, FakeSchemaRegistry.seen = {}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeSchemaRegistry) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


def address(server: ThreadingHTTPServer, credentials: str = "") -> str:
    return f"http://{credentials}127.0.0.1:{server.server_port}/apis/ccompat/v7/"


def test_all_schemas_are_registered_and_their_ids_known(registry: ThreadingHTTPServer) -> None:
    ids = resolve_ids(address(registry))
    assert set(ids.write_ids) == {entry.subject for entry in CATALOGUE}
    assert {entry.subject: id_ for id_, (entry, _) in ids.read_schemas.items()} == ids.write_ids


def test_registering_again_changes_nothing(registry: ThreadingHTTPServer) -> None:
    assert resolve_ids(address(registry)).write_ids == resolve_ids(address(registry), register=False).write_ids


def test_an_event_of_one_process_is_read_by_another(registry: ThreadingHTTPServer) -> None:
    message = RunRequested(run=a_document())
    value = Codec(registry=resolve_ids(address(registry))).encode(message)
    assert value[:1] == b"\x00"
    assert Codec(registry=resolve_ids(address(registry))).decode(value) == message


def test_versions_registered_by_others_are_read_too(registry: ThreadingHTTPServer) -> None:
    ours = resolve_ids(address(registry))
    newer = json.loads(FakeSchemaRegistry.subjects[SUBJECT][-1][1])
    newer["fields"].append({"name": "colour", "type": "string", "default": "red"})
    FakeSchemaRegistry.subjects[SUBJECT].append((900, json.dumps(newer)))
    message = RunRequested(run=a_document())
    foreign = b"\x00" + (900).to_bytes(4, "big") + Codec(registry=ours).encode(message)[5:] + b"\x08blue"
    codec = Codec(registry=resolve_ids(address(registry)))
    assert codec.decode(foreign) == message
    assert codec.encode(message)[1:5] == ours.write_ids[SUBJECT].to_bytes(4, "big")


def test_a_schema_is_read_by_its_id(registry: ThreadingHTTPServer) -> None:
    FakeSchemaRegistry.by_id = {
        7: {"schema": '"string"'},
        8: {"schema": "{}", "schemaType": "JSON"},
        9: {"schema": '"Other"', "references": [{"name": "Other", "subject": "other", "version": 1}]},
    }
    assert read_registered_schema(address(registry, "ann:secret@"), 7) == '"string"'
    for schema_id in (8, 9):
        with pytest.raises(RegistryError, match=f"has as {schema_id} no Avro schema that stands alone"):
            read_registered_schema(address(registry), schema_id)
    with pytest.raises(RegistryError, match="answers 404"):
        read_registered_schema(address(registry), 10)


RECURSIVE = {"name": "before", "type": ["null", SUBJECT], "default": None}
EMPTY = {"name": "gaps", "type": {"type": "array", "items": "null"}, "default": []}


@pytest.mark.parametrize(
    ("field", "why"), [(RECURSIVE, f"it is recursive: {SUBJECT} contains itself"), (EMPTY, "take no bytes")]
)
def test_a_schema_whose_values_could_be_endless_is_refused_when_it_is_loaded(
    registry: ThreadingHTTPServer, field: dict[str, Any], why: str
) -> None:
    resolve_ids(address(registry))
    newer = json.loads(FakeSchemaRegistry.subjects[SUBJECT][-1][1])
    newer["fields"].append(field)
    FakeSchemaRegistry.subjects[SUBJECT].append((900, json.dumps(newer)))
    with pytest.raises(RegistryError) as caught:
        resolve_ids(address(registry))
    version = len(FakeSchemaRegistry.subjects[SUBJECT])
    for part in (f"under {SUBJECT} the schema 900 (version {version})", why, "delete that version"):
        assert part in str(caught.value)


def test_without_the_right_to_register_a_missing_schema_is_named(registry: ThreadingHTTPServer) -> None:
    with pytest.raises(RegistryError, match=r"answers 404 to /subjects/southbound\.testrun\.RunRequested.*register"):
        resolve_ids(address(registry), register=False)


def test_user_and_password_are_sent_and_never_shown(registry: ThreadingHTTPServer) -> None:
    with pytest.raises(RegistryError) as caught:
        resolve_ids(address(registry, "southbound:s%40cret@"), register=False)
    assert FakeSchemaRegistry.seen[0][1] == "Basic c291dGhib3VuZDpzQGNyZXQ="
    assert "cret" not in str(caught.value)


def test_an_address_without_a_server_is_named(registry: ThreadingHTTPServer) -> None:
    url = address(registry)
    registry.shutdown()
    registry.server_close()
    with pytest.raises(
        RegistryError, match=r"The schema registry at http://127\.0\.0\.1:\d+/apis/ccompat/v7 does not answer: "
    ):
        resolve_ids(url, timeout=2)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "registry:8081", "http://"])
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(RegistryError, match="must begin with http:// or https://"):
        resolve_ids(url)
