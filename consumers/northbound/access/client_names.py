"""Name clients in metrics, a bounded number of them."""

from __future__ import annotations

_MAX_NAMES = 200
UNKNOWN = "unknown"
OTHERS = "others"


class ClientNames:
    """Returns the first clients by name and all later ones as `others`, since each name is a series that stays."""

    def __init__(self, max_names: int = _MAX_NAMES) -> None:
        self._max_names = max_names
        self._names: set[str] = set()

    def label(self, client: str) -> str:
        """Return the label for a client in metrics; `client` is empty if it is not authenticated."""
        if not client:
            return UNKNOWN
        if client not in self._names and len(self._names) >= self._max_names:
            return OTHERS
        self._names.add(client)
        return client
