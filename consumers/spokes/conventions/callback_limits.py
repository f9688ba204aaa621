"""How much of the listener one external system may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from consumers.spokes.credentials import ProfileModel

MAX_BODY_BYTES = 900_000  # body, envelope and key have to fit into one message


class CallbackLimits(ProfileModel):
    """Limits of the callbacks of one system, in each process that runs the listener."""

    per_second: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = Field(
        default=None, description="Callbacks per second, on average; more are answered 429 with `Retry-After`."
    )
    burst: int = Field(default=50, ge=1, le=100_000, description="Callbacks at once after a pause.")
    concurrency: int = Field(
        default=500,
        ge=1,
        le=1_000,
        description="Callbacks in progress at once; more are answered 503. At most half of those of the listener.",
    )
    max_body_bytes: int = Field(
        default=MAX_BODY_BYTES, ge=1_000, le=MAX_BODY_BYTES, description="Maximum size of a body."
    )
    max_depth: int = Field(
        default=200, ge=5, le=500, description="Levels of lists and objects in a body; a deeper one is answered 400."
    )
    max_events: int = Field(default=100, ge=1, le=1_000, description="Events in one body that is a list.")


NO_CALLBACK_LIMITS = CallbackLimits()
