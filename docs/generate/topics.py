"""The page about topics and the events on them."""

from __future__ import annotations

from consumers.dead_letter_subject import DeadLetterClass
from docs.generate.markdown import table
from schemas.catalogue import CATALOGUE
from schemas.topics import Topic, all_topics

DAY_MS = 24 * 60 * 60 * 1000
INTRODUCTION = """# Topics and events

`southbound topics apply` creates the missing topics. There is one topic `testrun.dispatch.<spoke>` per spoke profile.
The setting `kafka.prefix` is the prefix of every name. All events of one hierarchy have the same key, so Kafka keeps
their order.

"""
HEADERS = """
## Headers

Besides the attributes of CloudEvents (`ce_id`, `ce_type`, `ce_source`, `ce_time`, `ce_subject`, `content-type`) and
`traceparent`, events have these headers where they apply. A record with the last one follows from one whose order
with other events of its root Kafka did not keep.

"""
HEADER_ROWS = (
    ("`southbound-decision`", "The version and row of the table that decided: `table@version#row`."),
    ("`southbound-request-id`", "The id of the outbound request."),
    ("`southbound-replay`", "The replay or redrive that the event comes from."),
    (
        "`southbound-wrong-key`",
        "The key of the record that this follows from, if it was not the root run's id, or `(no key)`.",
    ),
)

DEAD_LETTER_HEADERS = """
## Headers of dead letters

A dead letter has the headers of the original record, and these after them. One that does not apply is left out.

"""
DEAD_LETTER_ROWS = (
    ("`southbound-dlq-class`", "Who has to act: " + ", ".join(f"`{one}`" for one in DeadLetterClass) + "."),
    ("`southbound-dlq-code`", "The reason as a code that does not change."),
    ("`southbound-dlq-reason`", "The reason in one sentence."),
    ("`southbound-dlq-detail`", "More lines, for example which rows came close."),
    ("`southbound-dlq-run`", "The run that the record is about; of a hierarchy, its root."),
    ("`southbound-dlq-spoke`", "The external system."),
    ("`southbound-dlq-decision`", "The rows of policy and selector that decided: `table@version#row`."),
    ("`southbound-dlq-topic`, `-partition`, `-offset`, `-timestamp`", "Where the record was; milliseconds since 1970."),
    (
        "`southbound-dlq-attempts`",
        "How often it was attempted: commands by all processes, other records since their partition was assigned.",
    ),
    ("`southbound-dlq-first-time`", "When it was attempted first, also if it was redriven since."),
    ("`southbound-dlq-time`", "When it was attempted last."),
    ("`southbound-dlq-redrives`", "How often it was redriven before."),
    ("`southbound-dlq-hold`", "`yes` if later records of the key wait until it is redriven or dropped."),
    ("`southbound-dlq-group`, `-role`", "The consumer group and the role that gave it up."),
)
REDRIVE_HEADERS = """
## Headers of redriven records

A redrive publishes the original record with these headers, and with `southbound-replay`.

"""
REPLAY_HEADERS = """
## Headers of replayed records

`southbound replay` publishes a record as it was with these headers, and with `southbound-replay`, which then begins
with `replay-`.

"""
REPLAY_ROWS = (
    ("`southbound-replay-by`", "Who replayed it."),
    ("`southbound-replay-time`", "When the replay was started."),
    ("`southbound-replay-of`", "Where the record was: `<topic>-<partition>-<offset>`, or the run of the store."),
)
REDRIVE_ROWS = (
    ("`southbound-redrive-count`", "How often it was redriven."),
    ("`southbound-redrive-by`", "Who redrove it."),
    ("`southbound-redrive-time`", "When."),
    ("`southbound-redrive-of`", "The dead letter: `<partition>-<offset>`."),
    (
        "`southbound-redrive-edited`",
        "What was edited, if it was: JSON pointers (`--set`, `--remove`), `event` (`--edit`), `value` (`--raw`).",
    ),
    ("`southbound-redrive-first-time`", "When the record was attempted first."),
)

EVENTS = """
## Events

Each has an Avro file in `schemas/avro/<subject>/` and an example in `schemas/examples/`. How to publish them:
[producing.md](producing.md).

"""


def page() -> str:
    """Return the text of the page."""
    topics = [
        (f"`{one.name}`", _escaped(one.key), str(one.partitions), _retention(one), _escaped(one.meaning))
        for one in all_topics(spokes=["<spoke>"])
    ]
    events = [
        (f"`{one.name}`", f"`{one.ce_type}`", one.travels_on, " ".join((one.model.__doc__ or "").split()))
        for one in CATALOGUE
    ]
    return (
        INTRODUCTION
        + table(("topic", "key", "partitions", "retention", "content"), topics)
        + EVENTS
        + table(("event", "`ce_type`", "topic", "meaning"), events)
        + HEADERS
        + table(("header", "content"), HEADER_ROWS)
        + DEAD_LETTER_HEADERS
        + table(("header", "content"), DEAD_LETTER_ROWS)
        + REDRIVE_HEADERS
        + table(("header", "content"), REDRIVE_ROWS)
        + REPLAY_HEADERS
        + table(("header", "content"), REPLAY_ROWS)
    )


def _escaped(text: str) -> str:
    return text.replace("<", "\\<")


def _retention(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "the last record of each key"
    return f"{topic.retention_ms // DAY_MS} days" if topic.retention_ms else "unlimited"
