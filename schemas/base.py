"""The base of all messages: frozen, strict, and without unknown fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1

# The range of Avro's `long`: a number that is accepted here can also be encoded.
Whole = Annotated[int, Field(ge=LONG_MIN, le=LONG_MAX)]


class Model(BaseModel):
    """A message or a part of one.

    Unknown fields are refused rather than dropped: a typing error of a producer must not turn into a default. In JSON
    bytes are base64, because a body need not be text.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )
