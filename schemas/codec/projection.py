"""Read only the fields of lifecycle events that a decision needs: whole models cost twice as much.

Avro is read whole and only the wanted fields are validated, so an event whose other fields are wrong passes here,
although the gateway refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args, get_origin

import orjson
from pydantic import ValidationError, create_model

from schemas.base import Model
from schemas.codec.avro import AvroReader
from schemas.codec.cloudevents import read_type
from schemas.codec.codec import Codec, check_declared_type
from schemas.codec.envelope import Envelope
from schemas.codec.errors import invalid_event_error
from schemas.lifecycle import RunRequested
from schemas.run_document import RunDocument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

    from schemas.catalogue import EventData
    from schemas.codec.avro_schemas import AvroValue
    from schemas.codec.schema_registry import RegistryIds

    Pick = Callable[[AvroValue], AvroValue]
    AnyHeaders = Iterable[tuple[str, bytes | None]] | None


@dataclass(frozen=True, slots=True)
class ItemsNamed:
    """Selects the records of a list that have one of these names, compared without surrounding spaces."""

    names: frozenset[str]


# The fields of a record, and of each what is wanted: some of its own fields, some of its items, or None: all of it.
Wanted = Mapping[str, "Wanted | ItemsNamed | None"]


def picker_of(wanted: Wanted) -> Callable[[Mapping[str, AvroValue]], dict[str, AvroValue]]:
    """Make the function that picks the wanted fields of a record; null and empty lists, which are defaults, are not."""
    parts = [(name, _picker_of_part(inside)) for name, inside in wanted.items()]

    def pick(values: Mapping[str, AvroValue]) -> dict[str, AvroValue]:
        picked = {}
        for name, part in parts:
            value = values.get(name)
            if value is not None and value != []:
                picked[name] = value if part is None else part(value)
        return picked

    return pick


def _picker_of_part(inside: Wanted | ItemsNamed | None) -> Pick | None:
    if inside is None:
        return None
    if isinstance(inside, ItemsNamed):
        names = inside.names
        return lambda items: [item for item in items if item["name"].strip() in names]
    pick = picker_of(inside)
    return lambda value: [pick(item) for item in value] if isinstance(value, list) else pick(value)


def partial_model(model: type[Model], fields: Wanted) -> type[Model]:
    """Make the model that has only the wanted fields of another, without what the other checks across fields."""
    parts: Mapping[str, Any] = {
        name: _partial_field(model.model_fields[name], inside)
        for name, inside in fields.items()
        if name in model.model_fields
    }
    return create_model(f"Partial{model.__name__}", __base__=Model, **parts)


def _partial_field(field: FieldInfo, inside: Wanted | ItemsNamed | None) -> tuple[object, FieldInfo]:
    annotation = field.annotation
    inner = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    if inside is None or isinstance(inside, ItemsNamed) or not (isinstance(inner, type) and issubclass(inner, Model)):
        return annotation, field
    part = partial_model(inner, inside)
    return (part if inner is annotation else tuple[part, ...]), field  # type: ignore[valid-type] # made just now


class PartialEvent(NamedTuple):
    """The part of an event that was read: its kind and, for a `RunRequested`, the run's id and the wanted fields.

    `content` holds the wanted fields: as values that are not validated yet, or as a whole document.
    """

    kind: type[EventData]
    run_id: str = ""
    is_child: bool = False
    content: Mapping[str, AvroValue] | RunDocument | None = None

    @property
    def content_key(self) -> bytes | None:
        """A cache key, equal for two requests only if their wanted fields are; None if computing it is expensive."""
        return None if self.content is None or isinstance(self.content, RunDocument) else orjson.dumps(self.content)


class PartialEventReader:
    """Reads events of the lifecycle topic, and the `wanted` fields of requested runs."""

    def __init__(self, wanted: Wanted, registry: RegistryIds | None = None) -> None:
        self._avro = AvroReader(registry)
        self._pick = picker_of(wanted)
        self._model = partial_model(RunDocument, wanted)
        self._whole = Envelope(Codec(registry=registry))

    def read(self, value: bytes | None, headers: AnyHeaders) -> PartialEvent:
        """Read one event.

        Raises:
            UndecodableError: the bytes are no event; the message says why and what to do.
        """
        known = self._avro.read(value) if value else None
        if known is None:
            return _project_whole(self._whole.decode(value, headers, fallback_id="").data)
        entry, values = known
        check_declared_type(entry, read_type(headers))
        if entry.model is not RunRequested:
            return PartialEvent(entry.model)
        try:
            return self._requested(values["run"])
        except (AttributeError, KeyError, TypeError):  # of a registry's schema, where these are missing or other types
            return _project_whole(self._whole.decode(value, headers, fallback_id="").data)

    def _requested(self, run: dict[str, AvroValue]) -> PartialEvent:
        return PartialEvent(RunRequested, run["run_id"], run.get("parent_run_id") is not None, self._pick(run))

    def document(self, part: PartialEvent) -> RunDocument:
        """Validate the wanted fields and return them as a document that has no others.

        Raises:
            UndecodableError: a wanted field is wrong.
        """
        if isinstance(part.content, RunDocument):
            return part.content
        try:
            # The fields that were not requested are never read.
            return cast("RunDocument", self._model.model_validate(part.content))
        except ValidationError as wrong:
            raise invalid_event_error(part.kind.__name__, wrong) from None


def _project_whole(message: EventData) -> PartialEvent:
    if not isinstance(message, RunRequested):
        return PartialEvent(type(message))
    return PartialEvent(RunRequested, message.run.run_id, message.run.parent_run_id is not None, message.run)
