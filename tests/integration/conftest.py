"""Fixtures of integration tests: a running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest


@pytest.fixture
async def service(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    """A complete service with the shipped rules, two external systems and SQLite."""
    async with a_service(kafka_bootstrap, tmp_path) as running:
        yield running
