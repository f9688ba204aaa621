"""What every message shares: frozen, exact, and free of unknown fields."""

from pydantic import BaseModel, ConfigDict


class Word(BaseModel):
    """A message or a part of one.

    Unknown fields are refused rather than dropped: a producer's typing error must not turn into a default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
