"""Ask librdkafka what it thinks of its settings, before anything is opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer

from consumers.runtime.config import WorkerConfig, consumer_settings
from producers.kafka_publisher import producer_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

QUOTED_NAME = re.compile(r"[\"`]([\w.]+)[\"`]")
# A value that it quotes could be a secret that slipped into the wrong line.
QUOTED_VALUE = re.compile(r"(?<=Invalid value )\".*\" (?=for )")
CREATE_FAILED_PREFIX = re.compile(r"^Failed to create (producer|consumer): ")
# Nothing is contacted: a client without brokers connects to none. It ends at once and prints nothing.
NOT_CHECKED = frozenset({"bootstrap.servers", "debug"})


def invalid_settings(overrides: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return what is wrong with settings of an operator, each with the name of the setting, or "" for all together."""
    config = WorkerConfig(role="check", group="check", dead_letter_topic="check")
    producer = _errors_of_client(Producer, lambda settings: producer_settings("", settings), overrides)
    consumer = _errors_of_client(Consumer, lambda settings: consumer_settings("", config, settings), overrides)
    return list(dict.fromkeys((*producer, *consumer)))


def _errors_of_client(
    kind: Callable[[dict[str, Any]], object],
    settings: Callable[[Mapping[str, object]], Mapping[str, object]],
    overrides: Mapping[str, object],
) -> Iterator[tuple[str, str]]:
    """Check again without what was wrong: librdkafka reports one mistake at a time."""
    remaining = dict(overrides)
    while message := _first_error(kind, {n: value for n, value in settings(remaining).items() if n not in NOT_CHECKED}):
        name = next((name for name in QUOTED_NAME.findall(message) if name in remaining), "")
        yield name, message
        if not name:
            return
        del remaining[name]


def _first_error(kind: Callable[[dict[str, Any]], object], settings: dict[str, Any]) -> str:
    try:
        kind({**settings, "log_level": 0})
    except KafkaException as error:
        return CREATE_FAILED_PREFIX.sub("", QUOTED_VALUE.sub("", str(error.args[0].str())).strip())
    except (TypeError, ValueError) as error:  # a setting of the Python client that is code, not text
        return str(error)
    return ""
