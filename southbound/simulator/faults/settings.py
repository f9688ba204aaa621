"""The shares of requests and of notifications that a fault happens to."""

from __future__ import annotations

from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from schemas.base import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

Share = Annotated[float, Field(ge=0, le=1)]
Duration = Annotated[float, Field(gt=0, le=3600)]
F = TypeVar("F", bound=StrEnum)


class RequestFault(StrEnum):
    """What happens to a request; the values are fields of `RequestFaults`."""

    RESET_BEFORE_READING = "reset_before_reading"
    RESET_BEFORE_STORING = "reset_before_storing"
    RESET_AFTER_STORING = "reset_after_storing"
    HANG_BEFORE_STORING = "hang_before_storing"
    HANG_IN_BODY = "hang_in_body"
    GARBAGE = "garbage"
    SLOW = "slow"
    TOO_MANY_REQUESTS = "too_many_requests"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a fault


class CallbackFault(StrEnum):
    """What happens to a notification; the values are fields of `CallbackFaults`."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"


class RequestFaults(Model):
    """Shares of all requests to the API, from 0 to 1. At most one fault happens to a request."""

    reset_before_reading: Share = Field(
        default=0.0, description="The connection is reset before the body is read; nothing is stored."
    )
    reset_before_storing: Share = Field(
        default=0.0, description="The connection is reset after the request is read; nothing is stored."
    )
    reset_after_storing: Share = Field(
        default=0.0, description="The request is processed, and the connection is reset instead of a response."
    )
    hang_before_storing: Share = Field(
        default=0.0, description="The request is processed `hang_seconds` late, also if nobody waits for it any more."
    )
    hang_in_body: Share = Field(
        default=0.0,
        description="Half of the response is sent, nothing for `hang_seconds`, and then the connection is reset.",
    )
    garbage: Share = Field(
        default=0.0, description="The request is processed, and the body of the response cannot be read."
    )
    slow: Share = Field(default=0.0, description="The request is processed up to `slow_seconds` late.")
    too_many_requests: Share = Field(
        default=0.0, description="429 with `Retry-After` in the form `retry_after_form`; nothing is stored."
    )
    expired_token: Share = Field(
        default=0.0,
        description="The access token that the request carries ends early, which leads to 401; needs `access_tokens`.",
    )
    late_methods: frozenset[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = Field(
        default=frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"}),
        description=(
            "The methods that `hang_before_storing` happens to. A PATCH that is processed after a newer one undoes it;"
            " a client can only wait before it sends the newer one, as Southbound does (`settle_time`)."
        ),
    )
    hang_seconds: Duration = Field(default=30.0, description="How long a request hangs, in seconds.")
    slow_seconds: Duration = Field(default=2.0, description="How late a slow response is at most, in seconds.")
    retry_after: Duration = Field(default=1.0, description="How long `Retry-After` asks to wait, in seconds.")
    retry_after_form: Literal["date", "seconds"] = Field(
        default="date", description="How it says that. A date has whole seconds, and is rounded up to them."
    )

    @property
    def shares(self) -> Mapping[RequestFault, float]:
        """The share of each fault."""
        return {fault: getattr(self, fault.value) for fault in RequestFault}

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        check_sum(self.shares)
        return self


class CallbackFaults(Model):
    """Shares of all notifications, from 0 to 1. At most one fault happens to a notification."""

    lost: Share = Field(default=0.0, description="The notification is never sent.")
    doubled: Share = Field(default=0.0, description="The notification is sent twice, with one `eventId`.")
    reordered: Share = Field(
        default=0.0, description="The notification is sent `reordered_by` seconds late, behind later ones of its test."
    )
    reordered_by: Duration = Field(default=1.0, description="How late it is then, in seconds.")

    @property
    def shares(self) -> Mapping[CallbackFault, float]:
        """The share of each fault."""
        return {fault: getattr(self, fault.value) for fault in CallbackFault}

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        check_sum(self.shares)
        return self


def check_sum(shares: Mapping[F, float]) -> None:
    """Return if the shares leave a remainder of 0 or more.

    Raises:
        ValueError: they are more than 1 together.
    """
    # Ten shares of 0.1 are a little more than 1 as floating-point numbers.
    if (total := sum(shares.values())) > 1 + 1e-9:
        raise ValueError(f"the shares are {total:g} together: make them at most 1")


def choose_fault(shares: Mapping[F, float], dice: float) -> F | None:
    """Return the fault for a random number from 0 to below 1; None if none happens."""
    limits = zip(shares, accumulate(shares.values()), strict=True)
    return next((fault for fault, limit in limits if dice < limit), None)
