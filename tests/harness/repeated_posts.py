"""Find the POSTs that a simulated system received more than once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from southbound.simulator.request_log import RequestLog


def repeated_posts(log: RequestLog) -> dict[str, int]:
    """Return the idempotency keys that were posted more than once, with their counts."""
    keys = Counter(key for post in log.posts() if (key := post.idempotency_key))
    return {key: times for key, times in keys.items() if times > 1}
