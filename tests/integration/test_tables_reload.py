"""Published tables reach running services without a restart, and what cannot be used reaches nobody."""

from __future__ import annotations
