"""`southbound why` knows from the profiles of streams which groups read which topics, and on which cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from schemas.topics import TopicNames
from southbound.operations.why.streams import stream_topics
from southbound.service.roles import ConsumedTopic
from southbound.settings.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

NAMES = TopicNames("p.")
HERMES = "snc.acme.default.sn_streamconnect.orders"


def settings_with(folder: Path, kind: str, **profiles: dict[str, object]) -> Settings:
    """Return settings with these profiles, in a folder for their kind."""
    (folder / kind).mkdir()
    for name, fields in profiles.items():
        (folder / kind / f"{name}.yaml").write_text(json.dumps({"name": name, **fields}))
    return Settings.model_validate({"kafka": {"group": "g"}, "streams": {kind: folder / kind}})


def test_a_source_has_a_group_for_each_of_its_clusters(tmp_path: Path) -> None:
    found = stream_topics(
        settings_with(
            tmp_path,
            "sources",
            desk={"topic": HERMES, "bootstrap": ["one:4100", "two:4200"]},
            field={"topic": "orders", "group": "own"},
        ),
        ["ingress", "ingress.field", "routing"],
        NAMES,
    )
    assert [(each.consumed, each.group, each.servers) for each in found.sources] == [
        (ConsumedTopic(HERMES, "ingress.desk.1"), "snc.acme.g.ingress.desk", "one:4100"),
        (ConsumedTopic(HERMES, "ingress.desk.2"), "snc.acme.g.ingress.desk", "two:4200"),
        (ConsumedTopic("orders", "ingress.field"), "own", "127.0.0.1:9092"),
    ]
    assert found.own == (ConsumedTopic(NAMES.ingress, "ingress"),)
    assert found.notes == ()


def test_a_destination_reads_the_topics_that_it_copies_and_no_others(tmp_path: Path) -> None:
    settings = settings_with(
        tmp_path, "destinations", desk={"results": "r"}, both={"results": "r", "inflight": "i"}, unused={"results": "r"}
    )
    found = stream_topics(settings, ["egress.desk", "egress.both", "egress.gone"], NAMES)
    assert found.own == (
        ConsumedTopic(NAMES.results, "egress.both"),
        ConsumedTopic(NAMES.inflight, "egress.both"),
        ConsumedTopic(NAMES.results, "egress.desk"),
    )
    assert found.sources == ()


def test_a_profile_that_is_wrong_hides_nothing_else(tmp_path: Path) -> None:
    found = stream_topics(settings_with(tmp_path, "sources", desk={"topic": "no/topic"}), ["ingress"], NAMES)
    assert (found.sources, found.own) == ((), (ConsumedTopic(NAMES.ingress, "ingress"),))
    assert "field 'topic'" in found.notes[0]
