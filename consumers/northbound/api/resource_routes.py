"""What each resource of the interface contributes to the server: its routes, and its part of the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRoutes:
    """Routes with whole paths, and the paths and schemas of OpenAPI 3.1 that describe them."""

    routes: Sequence[web.AbstractRouteDef]
    paths: Mapping[str, object] = field(default_factory=dict)
    schemas: Mapping[str, object] = field(default_factory=dict)
