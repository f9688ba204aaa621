"""Make models of messages of which only some fields were read; those are judged as strictly as in the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import create_model

from schemas.avro_pick import ItemsNamed
from schemas.base import Word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from schemas.avro_pick import Wanted


def partial_model(model: type[Word], wanted: Wanted) -> type[Word]:
    """Make the model that has only the wanted fields of another, without what the other checks across fields."""
    parts: Mapping[str, Any] = {
        name: _part(model.model_fields[name], inside) for name, inside in wanted.items() if name in model.model_fields
    }
    return create_model(f"Partial{model.__name__}", __base__=Word, **parts)


def _part(field: FieldInfo, inside: Wanted | ItemsNamed | None) -> tuple[object, FieldInfo]:
    annotation = field.annotation
    inner = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    if inside is None or isinstance(inside, ItemsNamed) or not (isinstance(inner, type) and issubclass(inner, Word)):
        return annotation, field
    part = partial_model(inner, inside)
    return (part if inner is annotation else tuple[part, ...]), field  # type: ignore[valid-type] # made just now
