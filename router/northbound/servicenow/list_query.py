"""Parse the query of a list request of ServiceNow's API: its only filter is `state`; unknown parameters are ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.lists.query import read_list_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.northbound.lists.query import ListRequest

DEFAULT_LIMIT, MAX_LIMIT = 20, 100  # sn_sprb_mgmt.pagination.set_limit and .maximum_limit
_PARAMETERS = frozenset({"fields", "limit", "offset", "state"})


def read_list_query(parameters: Iterable[tuple[str, str]]) -> ListRequest:
    """Parse the parameters of a list request.

    Raises:
        ApiRefusedError: 400 for a parameter that cannot be read, or a state that does not exist.
    """
    known = [(name, value) for name, value in parameters if name in _PARAMETERS]
    return read_list_request(known, default_limit=DEFAULT_LIMIT, max_limit=MAX_LIMIT)
