"""What each resource of the interface contributes to the server: its routes, and its part of the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp import web

    from schemas.text.json_types import JsonMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRoutes:
    """Routes with whole paths, and the paths and schemas of OpenAPI 3.1 that describe them.

    `error_forms` returns what is answered at a path in place of a TMF `Error`, whoever refuses the request.
    """

    routes: Sequence[web.AbstractRouteDef]
    paths: Mapping[str, object] = field(default_factory=dict)
    schemas: Mapping[str, object] = field(default_factory=dict)
    error_forms: Mapping[str, Callable[[JsonMapping], JsonMapping]] = field(default_factory=dict)
