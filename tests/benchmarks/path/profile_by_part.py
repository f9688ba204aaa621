"""Sum a py-spy profile of the service by part: a sample counts for the innermost part on its stack."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# A pattern for `function (file)` of a frame, and the part that begins there. The innermost frame decides.
PARTS = (
    (r"\(confluent_kafka|kafka_publisher\.py|producers/event_publisher\.py", "publish: to librdkafka, and its reports"),
    (r"consumers/runtime/kafka/", "consume: from librdkafka"),
    (r"schemas/codec/(avro_decode|avro_resolution)|open_structured|Codec\.decode|_from_values", "decode events"),
    (r"schemas/codec/avro_encode|Codec\.encode", "encode events"),
    (r"schemas/(codec/(cloudevents|envelope)|partition_keys)\.py|announce\.py", "envelopes: headers and keys"),
    (r"routing/decide\.py|router/(tables|selection)/", "decide"),
    (r"router/runs/ids\.py", "derive ids"),
    (r"router/", "advance: the pure state machine, measures, results"),
    (r"_ConnectionThread\._transact|consumers/store/(transactions|write_plan)\.py", "store: SQL, on its two threads"),
    (r"consumers/store/", "store: rows to values and back, grouping"),
    (r"\(aiohttp/|spokes/(aiohttp_\w+|http_client|transport|authentication)\.py", "HTTP: aiohttp, limits"),
    (r"consumers/spokes/", "TMF653: write the request, read the response"),
    (r"consumers/runtime/", "runtime: lanes, tasks, offsets"),
    (r"consumers/metrics\.py|prometheus_client", "metrics"),
    (r"structlog|_result_counter", "the one log line"),
    (r"consumers/", "handlers: the order of steps"),
)
OTHER = "event loop and the rest"
_PARTS = tuple((re.compile(pattern), part) for pattern, part in PARTS)


def by_part(samples: Path) -> list[tuple[str, float]]:
    """Return each part's share of all samples (0 to 1), the largest first."""
    found: Counter[str] = Counter()
    for stack, count in _stacks(samples):
        found[_part(stack)] += count
    total = found.total()
    return [(part, count / total) for part, count in found.most_common()]


def by_function(samples: Path, most: int) -> list[tuple[str, float]]:
    """Return the functions that were most often at the top of the stack, with their share."""
    found: Counter[str] = Counter()
    for stack, count in _stacks(samples):
        found[re.sub(r":\d+\)$", ")", stack[-1])] += count
    total = found.total()
    return [(function, count / total) for function, count in found.most_common(most)]


def _stacks(samples: Path) -> list[tuple[list[str], int]]:
    """Read the collapsed format: frames from the outermost in, separated by `;`, then the count."""
    lines = (line.rpartition(" ") for line in samples.read_text().splitlines())
    return [(stack.split(";"), int(count)) for stack, _, count in lines]


def _part(stack: list[str]) -> str:
    for frame in reversed(stack):
        for pattern, part in _PARTS:
            if pattern.search(frame):
                return part
    return OTHER
