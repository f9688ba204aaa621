"""Whether and how Southbound registers the address of its listener at the hub of a system (TMF653 `/hub`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from consumers.spokes.conventions.http_conventions import CollectionPath  # noqa: TC001 - pydantic reads it
from consumers.spokes.credentials import ProfileModel

MIN_RENEWAL = 1.0  # seconds
EventTypeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,99}$")]
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z@][A-Za-z0-9@._]{0,99}$")]


def _check_credentials_field(name: str) -> str:
    if name in {"callback", "query"}:
        raise ValueError(f"must not be {name}, which TMF653 defines")
    return name


CredentialsField = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,99}$"), AfterValidator(_check_credentials_field)
]


class CredentialsPlace(StrEnum):
    """Where the registration names the credentials that callbacks must carry."""

    NONE = "none"
    URL = "url"
    BODY = "body"


class HubRegistrationSettings(ProfileModel):
    """The registration of the listener's address at the hub of a system."""

    registers: bool = Field(
        default=False,
        alias="register",  # pydantic's models have an attribute of this name
        description=(
            "`true`: Southbound registers the address of its listener (`listener.public_url`) at the hub of the system:"
            " see [below](#registration-at-the-hub)."
        ),
    )
    path: CollectionPath = Field(default="/hub", description="Path of the hub, below `base_url`.")
    event_types: tuple[EventTypeName, ...] = Field(
        default=(),
        max_length=50,
        description=(
            "The events that are asked for, such as `[ServiceTestStateChangeEvent]`; they become `eventType=…` of the"
            " `query`. Empty: all events."
        ),
    )
    payload: Literal["full", "thin"] = Field(
        default="full",
        description=(
            "`thin`: `query` asks for events with `thin_fields` only (`fields=…`, TMF630), and Southbound reads the run"
            " with a GET where an event says too little. A system that does not know this sends full events."
        ),
    )
    thin_fields: tuple[FieldPath, ...] = Field(
        default=("id", "href", "state"), min_length=1, max_length=50, description="The fields of a thin event."
    )
    credentials: CredentialsPlace = Field(
        default=CredentialsPlace.NONE,
        description=(
            "How the system learns the credentials of `callback_auth`. `none`: somebody enters them there. `url`: the"
            " token is a part of the registered address. `body`: they are in `credentials_field` of the registration."
        ),
    )
    credentials_field: CredentialsField = Field(
        default="headers",
        description="The field of the registration that has an object of headers and values, for `credentials: body`.",
    )
    renew_every: Annotated[float, Field(ge=MIN_RENEWAL, le=86_400, allow_inf_nan=False)] = Field(
        default=300.0,
        description="Seconds after which Southbound looks whether the system still has the registration.",
    )
    remove_at_stop: bool = Field(
        default=False,
        description=(
            "`true`: a clean stop of a listener removes the registration. For a single listener only: the registration"
            " belongs to all of them, and none knows whether it is the last."
        ),
    )

    @property
    def query(self) -> str | None:
        """The query of the registration; None: there is nothing to select."""
        parts = [f"eventType={','.join(self.event_types)}"] if self.event_types else []
        if self.payload == "thin":
            parts.append(f"fields={','.join(self.thin_fields)}")
        return "&".join(parts) or None
