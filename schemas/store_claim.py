"""The records of `testrun.store`: which run store a gateway works with."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from schemas.base import Model, Whole

CLAIM_KEY = b"store"  # of every record: a compacted topic keeps the last one
StoreId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class StoreClaim(Model):
    """A process works with this store, which had counted to `mark`.

    `accepted`: stores that an operator replaced by this one. A later Southbound may add fields: they are ignored.
    """

    model_config = ConfigDict(extra="ignore")

    store_id: StoreId
    mark: Whole
    accepted: tuple[StoreId, ...] = ()


def read_claim(value: bytes | None) -> StoreClaim | None:
    """Return the claim of a record; None if it is none."""
    try:
        return StoreClaim.model_validate_json(value or b"")
    except ValidationError:
        return None
