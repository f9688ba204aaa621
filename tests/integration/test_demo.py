"""The demo is the main job once through; what it shows is what must be."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from rich.console import Console

from southbound.demo.show import run_demo
from southbound.demo.stories import stories
from southbound.settings import Kafka, Settings

if TYPE_CHECKING:
    import pytest

    from southbound.demo.stories import Story


def test_every_story_of_the_demo_ends_as_it_must_and_a_second_demo_is_as_good(kafka_bootstrap: str) -> None:
    for _ in range(2):
        shown = io.StringIO()
        assert run_demo(Settings(kafka=Kafka(bootstrap=kafka_bootstrap)), Console(file=shown)) == 0, shown.getvalue()
        assert "10 of 10 stories ended as they must" in shown.getvalue()
        assert "outbound-policy@" in shown.getvalue()
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    groups = admin.list_consumer_groups().result(10).valid
    left = [*admin.list_topics(timeout=10).topics, *(group.group_id for group in groups)]
    assert not [name for name in left if name.startswith("demo-")]


def test_a_story_that_does_not_end_as_it_must_fails_the_demo(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(tag: str) -> tuple[Story, ...]:
        story = stories(tag)[0]
        return (replace(story, judge=lambda _: iter(["the moon must be made of cheese"])),)

    monkeypatch.setattr("southbound.demo.show.PATIENCE", 0.5)
    monkeypatch.setattr("southbound.demo.show.stories", wrong)
    shown = io.StringIO()
    assert run_demo(Settings(kafka=Kafka(bootstrap=kafka_bootstrap)), Console(file=shown)) == 1
    assert "answered at once: the moon must be made of cheese" in shown.getvalue()
