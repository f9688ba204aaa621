"""A command writes what it was asked for, and nothing that was there is lost or reached through a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from southbound.exit_codes import CommandFailedError
from southbound.operations.output_file import free_name, write_output_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_file_is_written(tmp_path: Path) -> None:
    write_output_file(b"new", tmp_path / "a.yaml")
    assert (tmp_path / "a.yaml").read_bytes() == b"new"


def test_an_existing_file_is_replaced_as_a_whole_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"old")
    write_output_file(b"new", file)
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]
    assert "existed and was replaced" in capsys.readouterr().err
    write_output_file(b"new", file)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_never_followed(tmp_path: Path, *, exists: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "a.yaml"
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(target)
    with pytest.raises(CommandFailedError, match="is a link"):
        write_output_file(b"new", link)
    assert target.exists() == exists
    assert not exists or target.read_bytes() == b"old"


def test_a_copy_takes_the_next_free_name(tmp_path: Path) -> None:
    copy = tmp_path / "t.errors.xlsx"
    assert free_name(copy) == copy
    copy.symlink_to(tmp_path / "nowhere")
    (tmp_path / "t.errors-2.xlsx").write_bytes(b"")
    assert free_name(copy).name == "t.errors-3.xlsx"
