"""Track since when this process can be sure that it is a live member of its group."""

from __future__ import annotations


def proof_duration(session_timeout: float) -> float:
    """Return how long a proof of membership holds: the broker counts from a heartbeat that came before it."""
    return 0.8 * session_timeout


class Membership:
    """Evaluates what the consumer thread observes; times are of one monotonic clock.

    After a stall longer than the session the group may have continued without this process: a poll that returns then
    proves nothing. Three things prove membership anew: a commit that the broker accepts, an assignment, and a whole
    session of polls without a report that this process is out (every heartbeat would have brought it).
    """

    def __init__(self, session_timeout: float, now: float) -> None:
        self._session_timeout = session_timeout
        self._proof_lifetime = proof_duration(session_timeout)
        self.proven_at = now
        self._polled_at = now
        self._drained_at = now  # when no event of the consumer was waiting
        self._no_stall_since = now

    def polled(self, now: float, *, drained: bool) -> None:
        """Note a poll that returned; `drained` if no event was left."""
        stalled = now - self._polled_at >= self._proof_lifetime
        self._polled_at = now
        if stalled:
            self._no_stall_since = now
        elif drained:  # right after a stall, an event from before it could still be on its way
            self._drained_at = now
        if now - self.proven_at < self._proof_lifetime or now - self._no_stall_since >= self._session_timeout:
            self.proven_at = now

    def assigned(self) -> None:
        """Note an assignment: it came after the last moment at which none was waiting."""
        self._prove(self._drained_at)

    def committed(self, sent_at: float) -> None:
        """Note a commit that was accepted: its response may have waited through a stall, its request has not."""
        self._prove(sent_at)

    def lost(self, now: float) -> None:
        """Note that the membership was lost: quiet polls count from here."""
        self._no_stall_since = now

    def _prove(self, at: float) -> None:
        self.proven_at = max(self.proven_at, at)
