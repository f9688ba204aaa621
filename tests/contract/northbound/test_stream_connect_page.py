"""What docs/how-to/stream-connect.md shows is what Southbound takes."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from consumers.northbound.streams.profile import load_destinations, load_sources
from consumers.runtime.handler import Done
from tests.harness.streams import a_stream

PAGE = (Path(__file__).parents[3] / "docs/how-to/stream-connect.md").read_text(encoding="utf-8")
_EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)
EXAMPLES = [(found[1], found[2]) for found in _EXAMPLE.finditer(PAGE)]


def examples(kind: str) -> list[str]:
    """Return the examples of one kind."""
    return [text for named, text in EXAMPLES if named == kind]


async def test_the_values_order_change_and_cancel_runs(tmp_path: Path) -> None:
    values = [(named, text) for named, text in EXAMPLES if named in {"ordered", "changed", "cancelled"}]
    assert len(values) == 4
    async with a_stream(tmp_path, time_zone="Europe/Berlin") as stream:
        for _, text in values:
            assert await stream.take(orjson.loads(text)) == Done()
        assert stream.outcomes == [named for named, _ in values]


@pytest.mark.parametrize(
    ("kind", "load", "count"), [("source", load_sources, 2), ("destination", load_destinations, 1)]
)
def test_the_profiles_can_be_loaded(tmp_path: Path, kind: str, load: object, count: int) -> None:
    assert callable(load)
    files = []
    for number, text in enumerate(examples(kind)):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(text)
    assert len(load(files)) == count
