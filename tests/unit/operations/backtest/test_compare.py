"""What a backtest asks of Kafka, shares among readers, and refuses before it reads anything."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.offset_range import OffsetRange
from southbound.cli.exit_codes import ExitCode
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
    ("written", "meant"),
    [("7d", timedelta(days=7)), ("90m", timedelta(minutes=90)), ("24H", timedelta(days=1)), ("1w", timedelta(weeks=1))],
)
def test_a_span_is_a_number_and_a_unit(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize("written", ["", "7", "d", "-7d", "7 days", "0d", "1.5h", "9999999d"])
def test_what_is_no_span_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="write a number"):
        parse_duration(written)


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


def test_a_table_that_nothing_live_is_like_needs_another_beside_it(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(a_file())
    result = southbound("tables", "backtest", str(tmp_path / "t.yaml"))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "--against TABLE" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([POLICY, "--since", "7"], "'7' is not a duration"),
        (["nothing.yaml"], "nothing.yaml: cannot be read"),
        ([POLICY, "--against", "nothing.yaml"], "nothing.yaml: cannot be read"),
    ],
)
def test_what_is_written_wrong_is_told_before_kafka_is_asked(words: list[str], told: str) -> None:
    result = southbound("tables", "backtest", *words)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert told in result.stderr


def test_a_process_is_started_only_where_there_is_enough_to_do_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [reader_count(records, 10) for records in (0, 20_000, 50_000, 1_000_000)] == [1, 1, 2, 4]
    assert [reader_count(records, 2_000) for records in (50_000, 240_000)] == [1, 2]
