"""Resolve, once at the start, the ids of our schemas in a Confluent-compatible schema registry."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import orjson

from schemas.catalogue import CATALOGUE
from schemas.codec.avro_decode import UnsafeSchemaError, refuse_unsafe
from schemas.codec.avro_schemas import read_avsc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.catalogue import EventType
    from schemas.codec.avro_schemas import AvroSchema

RegistryResponse = Any  # JSON of the registry's own shape

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND = 404
_EXCERPT = 200


class RegistryError(Exception):
    """The schema registry cannot be used or refused; the message names address, subject and reason."""


class RegistryUnavailableError(RegistryError):
    """The schema registry does not answer; it may later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryIds:
    """`write_ids` has the id of our newest schema per subject, `read_schemas` every id that may be read."""

    write_ids: Mapping[str, int]
    read_schemas: Mapping[int, tuple[EventType, AvroSchema]] = field(default_factory=dict)


def resolve_ids(url: str, *, register: bool = True, timeout: float = 10.0) -> RegistryIds:
    """Resolve the ids of all our schemas, registering those that are missing unless `register` is off.

    `url` may have a user and password; they are sent as basic authentication and never shown. Blocks.

    Raises:
        RegistryUnavailableError: the registry does not answer.
        RegistryError: it refuses a schema, does not have it, or has one under our subjects whose values could take all
            memory or end the process.
    """
    registry = _RegistryClient(url, timeout)
    writing: dict[str, int] = {}
    reading: dict[int, tuple[EventType, AvroSchema]] = {}
    for entry in CATALOGUE:
        for version in range(1, entry.versions + 1):
            writing[entry.subject] = registry.id_of(entry.subject, read_avsc(entry.subject, version), register=register)
        reading |= {id_: (entry, schema) for id_, schema in registry.versions_of(entry.subject)}
    return RegistryIds(write_ids=writing, read_schemas=reading)


def read_registered_schema(url: str, schema_id: int, timeout: float = 10.0) -> str:
    """Return the text of an Avro schema by its id. Blocks.

    Raises:
        RegistryUnavailableError: the registry does not answer.
        RegistryError: it does not have the schema, or has one that is not Avro or refers to others.
    """
    return _RegistryClient(url, timeout).schema(schema_id)


class _RegistryClient:
    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RegistryError("The schema registry's address must begin with http:// or https:// and name a host.")
        self._timeout = timeout
        self._address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE} | _authorization_header(
            parts.username, parts.password
        )

    def id_of(self, subject: str, text: str, *, register: bool) -> int:
        path = f"/subjects/{quote(subject, safe='')}" + ("/versions" if register else "")
        answer = self._request(path, {"schema": text, "schemaType": "AVRO"})
        return int(answer["id"])

    def versions_of(self, subject: str) -> list[tuple[int, AvroSchema]]:
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answers = [self._request(f"{path}/{version}") for version in self._request(path)]
        return [(int(answer["id"]), self._safe(subject, answer)) for answer in answers]

    def schema(self, schema_id: int) -> str:
        answer = self._request(f"/schemas/ids/{schema_id}")
        if answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
            raise RegistryError(
                f"The schema registry at {self._address} has as {schema_id} no Avro schema that stands alone; "
                "let its producer write one that does."
            )
        return str(answer["schema"])

    def _safe(self, subject: str, answer: RegistryResponse) -> AvroSchema:
        schema = orjson.loads(answer["schema"])
        try:
            refuse_unsafe(schema)
        except UnsafeSchemaError as wrong:
            raise RegistryError(
                f"The schema registry at {self._address} has under {subject} the schema {answer['id']} (version "
                f"{answer['version']}), which Southbound does not read: {wrong}; delete that version, let its "
                "producer write another, and start again."
            ) from None
        return schema

    def _request(self, path: str, body: object = None) -> RegistryResponse:
        data = None if body is None else orjson.dumps(body)
        request = Request(self._address + path, data=data, headers=self._headers)  # noqa: S310 - http(s) only, checked above
        try:
            with urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 - as above
                return orjson.loads(answer.read())
        except HTTPError as refusal:
            raise RegistryError(self._refusal_message(path, refusal)) from None
        except (URLError, OSError, ValueError) as wrong:
            reason = wrong.reason if isinstance(wrong, URLError) else wrong
            raise RegistryUnavailableError(
                f"The schema registry at {self._address} does not answer: {reason}."
            ) from None

    def _refusal_message(self, path: str, refusal: HTTPError) -> str:
        body = refusal.read(_EXCERPT).decode("utf-8", "replace")
        advice = "register it first, or let Southbound do it" if refusal.code == _NOT_FOUND else "ask its owner"
        return f"The schema registry at {self._address} answers {refusal.code} to {path}: {body}; {advice}."


def _authorization_header(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}
