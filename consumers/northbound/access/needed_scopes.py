"""Which scopes a request to the northbound interface needs, by its method and path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.principal import Scope

if TYPE_CHECKING:
    from aiohttp import web

# They describe the interface and have nothing of a client.
OPEN_PATHS = frozenset({"/", "/openapi.json"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_READ = frozenset({Scope.READ})
# A patch may change a run or cancel it: its handler decides when it has read the body.
_OF_METHOD = {"POST": frozenset({Scope.ORDER}), "PATCH": frozenset({Scope.ORDER, Scope.CANCEL})}
_OF_OTHER_METHODS = frozenset({Scope.CANCEL})
_OF_RESOURCE = {
    "cancelServiceTest": frozenset({Scope.CANCEL}),
    "serviceTestSpecification": frozenset({Scope.ADMINISTER}),
    "hub": _READ,  # a subscription reads what it is told
}


def scopes_for(request: web.Request) -> frozenset[Scope] | None:
    """Return the scopes of which a request needs one; None if the request is open to all."""
    if request.method in _READING:
        return None if request.path in OPEN_PATHS else _READ
    for segment in request.path.split("/"):
        if scopes := _OF_RESOURCE.get(segment):
            return scopes
    return _OF_METHOD.get(request.method, _OF_OTHER_METHODS)
