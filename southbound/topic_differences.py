"""Say in what a topic that is there differs from the one that we would make, and what that can cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.topics import Topic

UNITS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000, "millisecond": 1}


def differences(wanted: Topic, found: Topic) -> Iterator[str]:
    """Give one sentence each; more partitions, or a longer memory, are fine where they are meant."""
    if found.partitions != wanted.partitions:
        yield (
            f"{found.name} has {_counted(found.partitions, 'partition')}, not {wanted.partitions}: "
            "fine if that is meant; more can be added, but then the order of keys under way is lost"
        )
    if found.cleanup != wanted.cleanup:
        yield f"{found.name} has cleanup.policy {found.cleanup}, not {wanted.cleanup}: events could vanish"
    elif wanted.cleanup == "delete" and _forgets_sooner(found, wanted):
        yield (
            f"{found.name} keeps records for {span(found.retention_ms)}, not {span(wanted.retention_ms)}: "
            "what nobody has handled by then vanishes; raise its retention.ms"
        )
    if found.max_message_bytes != wanted.max_message_bytes:
        yield (
            f"{found.name} has max.message.bytes {found.max_message_bytes}, not {wanted.max_message_bytes}: fine while"
            " the topic of dead letters takes far larger messages than all others; a letter that does not fit holds its"
            " key for ever"
        )


def span(milliseconds: int | None) -> str:
    """Write a time in the largest unit that it fills, such as `7 days`; None is for ever."""
    if milliseconds is None:
        return "ever"
    name, unit = next(((n, u) for n, u in UNITS.items() if milliseconds >= u), ("millisecond", 1))
    return _counted(round(milliseconds / unit, 1), name)


def _forgets_sooner(found: Topic, wanted: Topic) -> bool:
    return found.retention_ms is not None and found.retention_ms < (wanted.retention_ms or 0)


def _counted(number: float, thing: str) -> str:
    return f"{number:g} {thing}" if number == 1 else f"{number:g} {thing}s"
