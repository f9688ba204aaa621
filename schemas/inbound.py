"""Reports of external systems, raw, before they are interpreted (topic `testrun.inbound`)."""

from schemas.base import Model
from schemas.run_document import NonEmptyStr, Timestamp
from schemas.vocabulary import Channel


class InboundReceived(Model):
    """One notification or polled response, as it arrived. `external_id` is empty if it could not be read."""

    spoke: NonEmptyStr
    external_id: str = ""
    channel: Channel
    received_at: Timestamp
    event_type: str | None = None
    event_id: str | None = None
    content_type: str | None = None
    body: bytes
