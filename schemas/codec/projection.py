"""Read of the events on the lifecycle topic only what a decision needs: many times faster than the whole.

A value in another format than Avro is read whole. What nobody wants is stepped over, so an event that is wrong
only there passes here, although the gateway refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args, get_origin

import orjson
from pydantic import ValidationError, create_model

from schemas.avro_pick import ItemsNamed, picker_of
from schemas.avro_types import short_name
from schemas.base import Model
from schemas.codec.avro import AvroReader
from schemas.codec.cloudevents import type_in
from schemas.codec.codec import Codec, agree
from schemas.codec.envelope import Envelope
from schemas.codec.errors import invalid
from schemas.lifecycle import RunRequested
from schemas.run_document import RunDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic.fields import FieldInfo

    from schemas.avro_pick import Wanted
    from schemas.catalogue import Message
    from schemas.codec.avro_schemas import AvroSchema, Plain
    from schemas.codec.schema_registry import RegistryIds

    KafkaHeaders = Iterable[tuple[str, bytes | None]] | None


def partial_model(model: type[Model], wanted: Wanted) -> type[Model]:
    """Make the model that has only the wanted fields of another, without what the other checks across fields."""
    parts: Mapping[str, Any] = {
        name: _part(model.model_fields[name], inside) for name, inside in wanted.items() if name in model.model_fields
    }
    return create_model(f"Partial{model.__name__}", __base__=Model, **parts)


def _part(field: FieldInfo, inside: Wanted | ItemsNamed | None) -> tuple[object, FieldInfo]:
    annotation = field.annotation
    inner = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    if inside is None or isinstance(inside, ItemsNamed) or not (isinstance(inner, type) and issubclass(inner, Model)):
        return annotation, field
    part = partial_model(inner, inside)
    return (part if inner is annotation else tuple[part, ...]), field  # type: ignore[valid-type] # made just now


class PartialEvent(NamedTuple):
    """What was read of an event: its kind, and which run is requested, if one is.

    `content` holds the wanted fields: as values that are not judged yet, or as a whole document.
    """

    kind: type[Message]
    run_id: str = ""
    is_child: bool = False
    content: Mapping[str, Plain] | RunDocument | None = None

    @property
    def sameness(self) -> bytes | None:
        """What is equal for two requests only if their wanted fields are; None where that is not known cheaply."""
        return None if self.content is None or isinstance(self.content, RunDocument) else orjson.dumps(self.content)


class PartialEventReader:
    """Reads events of the lifecycle topic, and the `wanted` fields of requested runs."""

    def __init__(self, wanted: Wanted, registry: RegistryIds | None = None) -> None:
        self._avro = AvroReader(registry, lambda schema: _reader(schema, wanted))
        self._beside = [name for name in ("run_id", "parent_run_id") if name not in wanted]
        self._model = partial_model(RunDocument, wanted)
        self._whole = Envelope(Codec(registry=registry))

    def read(self, value: bytes | None, headers: KafkaHeaders) -> PartialEvent:
        """Read one event.

        Raises:
            UndecodableError: the bytes are no event; the sentence says why and what to do.
        """
        known = self._avro.read(value) if value else None
        if known is None:
            return _whole(self._whole.decode(value, headers, fallback_id="").data)
        entry, values = known
        agree(entry, type_in(headers))
        return self._requested(values["run"]) if entry.model is RunRequested else PartialEvent(entry.model)

    def _requested(self, run: dict[str, Plain]) -> PartialEvent:
        run_id, parent = run["run_id"], run.get("parent_run_id")
        for name in self._beside:
            run.pop(name, None)
        return PartialEvent(RunRequested, run_id, parent is not None, run)

    def document(self, part: PartialEvent) -> RunDocument:
        """Judge the wanted fields and give them as a document that has no others.

        Raises:
            UndecodableError: a wanted field is wrong.
        """
        if isinstance(part.content, RunDocument):
            return part.content
        try:
            # Nobody asks it for the fields that were not wanted.
            return cast("RunDocument", self._model.model_validate(part.content))
        except ValidationError as wrong:
            raise invalid(part.kind.__name__, wrong) from None


def _reader(schema: AvroSchema, wanted: Wanted) -> Callable[[bytes, int], Plain]:
    if short_name(schema["name"]) != RunRequested.__name__:
        return picker_of(schema, {})
    return picker_of(schema, {"run": {"run_id": None, "parent_run_id": None, **wanted}})


def _whole(message: Message) -> PartialEvent:
    if not isinstance(message, RunRequested):
        return PartialEvent(type(message))
    return PartialEvent(RunRequested, message.run.run_id, message.run.parent_run_id is not None, message.run)
