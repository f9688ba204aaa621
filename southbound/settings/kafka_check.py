"""Check librdkafka settings with librdkafka itself, before a client is opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer

from consumers.runtime.config import WorkerConfig, consumer_settings
from producers.kafka_publisher import producer_settings
from southbound.settings.kafka_client_names import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

QUOTED_NAME = re.compile(r"[\"`]([\w.]+)[\"`]")
# A value that librdkafka quotes could be a secret under a wrong name.
QUOTED_VALUE = re.compile(r"(?<=Invalid value )\".*\" (?=for )")
CREATE_FAILED_PREFIX = re.compile(r"^Failed to create (producer|consumer): ")
# Nothing is contacted: a client without brokers connects to none. It is closed at once and prints nothing.
NOT_CHECKED = frozenset({"bootstrap.servers", "debug"})


def invalid_settings(overrides: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the errors in an operator's settings as (setting, message); the setting is "" if librdkafka names none.

    librdkafka sees only what is on the allow list: it loads a plugin as soon as it reads the setting.
    """
    refused = [(name, sentence) for name in overrides if (sentence := refusal(name))]
    allowed = {name: value for name, value in overrides.items() if refusal(name) is None}
    return [*refused, *_invalid_values(allowed)]


def _invalid_values(overrides: Mapping[str, object]) -> list[tuple[str, str]]:
    config = WorkerConfig(role="check", group="check", dead_letter_topic="check")
    producer = _errors_of_client(Producer, lambda settings: producer_settings("", settings), overrides)
    consumer = _errors_of_client(Consumer, lambda settings: consumer_settings("", config, settings), overrides)
    return list(dict.fromkeys((*producer, *consumer)))


def _errors_of_client(
    kind: Callable[[dict[str, Any]], object],
    settings: Callable[[Mapping[str, object]], Mapping[str, object]],
    overrides: Mapping[str, object],
) -> Iterator[tuple[str, str]]:
    """Create a client again without each wrong setting: librdkafka reports one mistake at a time."""
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
    except (TypeError, ValueError) as error:  # a setting that the Python client expects to be a function
        return str(error)
    return ""
