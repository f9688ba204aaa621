"""A backtest parses its options, divides the records among readers, and refuses mistakes before it reads Kafka."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.offset_range import OffsetRange
from southbound.exit_codes import ExitCode
from southbound.operations.backtest.compare import parse_duration
from southbound.operations.backtest.run_backtest import reader_count
from southbound.operations.backtest.split_ranges import split_ranges
from southbound.settings.settings import DEFAULTS
from tests.builders.decision_tables import a_file
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

POLICY, SELECTOR = (str(DEFAULTS / f"tables/{name}.yaml") for name in ("outbound-policy", "spoke-selector"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7d", timedelta(days=7)), ("90m", timedelta(minutes=90)), ("24H", timedelta(days=1)), ("1w", timedelta(weeks=1))],
)
def test_a_span_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7 days", "0d", "1.5h", "9999999d"])
def test_an_invalid_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a number"):
        parse_duration(text)


lengths = st.lists(st.integers(1, 50), max_size=6)


@given(lengths=lengths, readers=st.integers(1, 5))
def test_readers_share_every_record_evenly_and_none_twice(lengths: list[int], readers: int) -> None:
    stretches = [OffsetRange("t", number, 7, 7 + length) for number, length in enumerate(lengths)]
    shares = split_ranges(stretches, readers)
    offsets = [(part.partition, offset) for share in shares for part in share for offset in range(part.start, part.end)]
    assert sorted(offsets) == [(part.partition, offset) for part in stretches for offset in range(7, part.end)]
    sizes = [sum(part.length for part in share) for share in shares]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


def test_the_draft_of_another_kind_is_refused() -> None:
    result = southbound("tables", "backtest", POLICY, "--against", SELECTOR)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert (
        f"{POLICY} is an outbound policy, and {SELECTOR} is a spoke selector: compare tables of one kind"
        in result.stderr
    )


def test_a_table_without_a_live_version_needs_a_second_table_to_compare(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(a_file())
    result = southbound("tables", "backtest", str(tmp_path / "t.yaml"))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "--against TABLE" in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([POLICY, "--since", "7"], "'7' is not a duration"),
        (["nothing.yaml"], "nothing.yaml: cannot be read"),
        ([POLICY, "--against", "nothing.yaml"], "nothing.yaml: cannot be read"),
    ],
)
def test_mistakes_in_options_are_reported_before_kafka_is_read(words: list[str], expected: str) -> None:
    result = southbound("tables", "backtest", *words)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert expected in result.stderr


def test_a_process_is_started_only_for_enough_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [reader_count(records, 10) for records in (0, 20_000, 50_000, 1_000_000)] == [1, 1, 2, 4]
    assert [reader_count(records, 2_000) for records in (50_000, 240_000)] == [1, 2]
