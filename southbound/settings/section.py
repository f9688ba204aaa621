"""What all groups of settings share."""

from __future__ import annotations

from typing import get_origin

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A group of settings; an unknown name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        """Split lists at commas, as environment variables hold them."""
        if not isinstance(values, dict):
            return values
        lists = {name for name, field in cls.model_fields.items() if get_origin(field.annotation) is tuple}
        return {name: _split(value) if name in lists else value for name, value in values.items()}


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())
