"""Names for JSON that was parsed, and that no model describes."""

from __future__ import annotations

from collections.abc import Mapping

Json = dict[str, object]  # an object that may be changed
JsonMapping = Mapping[str, object]  # an object that is only read
