"""Commands convert tables between formats, and write a refused spreadsheet with the reasons at its cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from router.selection.load import document_of, load_any
from router.tables.formats.loader import version_of
from router.tables.formats.yaml_writer import write_yaml
from southbound.exit_codes import ExitCode
from southbound.settings.settings import DEFAULTS
from tests.harness.command_line import southbound

POLICY = str(DEFAULTS / "tables/outbound-policy.yaml")
SELECTOR = str(DEFAULTS / "tables/spoke-selector.yaml")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def faulty() -> Path:
    """The shipped policy as a spreadsheet with a typo in one cell."""
    southbound("tables", "export", POLICY, "--to", "xlsx", "-o", "policy.xlsx")
    workbook = load_workbook("policy.xlsx")
    workbook["Table"]["F11"] = "[1000..200]"
    workbook.save("policy.xlsx")
    return Path("policy.xlsx")


@pytest.mark.parametrize("command", ["tables export", "tables import"])
def test_the_command_explains_itself(command: str) -> None:
    result = southbound(*command.split(), "--help")
    assert result.exit_code == ExitCode.SUCCESS
    assert "Exit codes" in result.output


@pytest.mark.parametrize("file", [POLICY, SELECTOR], ids=["policy", "selector"])
@pytest.mark.parametrize("to", ["csv", "xlsx", "yaml"])
def test_a_shipped_table_is_exported_and_imported_unchanged(file: str, to: str) -> None:
    out = southbound("tables", "export", file, "--to", to, "-o", f"table.{to}")
    result = southbound("tables", "import", f"table.{to}")
    assert (out.exit_code, result.exit_code) == (ExitCode.SUCCESS, ExitCode.SUCCESS)
    assert result.stdout == write_yaml(document_of(load_any(Path(file).read_text(encoding="utf-8"), file)))


def test_without_a_file_the_table_goes_to_standard_output() -> None:
    result = southbound("tables", "export", POLICY, "--to", "csv")
    assert result.exit_code == ExitCode.SUCCESS
    assert result.stdout.startswith("table,outbound-policy,")


def test_a_spreadsheet_is_not_written_to_a_terminal() -> None:
    result = southbound("tables", "export", POLICY, "--to", "xlsx")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "name a file, such as -o table.xlsx" in result.stderr


def test_check_takes_every_format_and_names_the_version_of_the_yaml(faulty: Path) -> None:
    southbound("tables", "export", POLICY, "--to", "xlsx", "-o", str(faulty))
    southbound("tables", "import", str(faulty), "-o", "policy.yaml")
    southbound("tables", "export", "policy.yaml", "--to", "csv", "-o", "policy.csv")
    result = southbound("tables", "check", str(faulty), "policy.yaml", "policy.csv")
    assert result.exit_code == ExitCode.SUCCESS
    assert len({line.partition(": ")[2] for line in result.stdout.splitlines()}) == 1


def test_a_copy_of_a_refused_spreadsheet_has_the_reason_at_the_cell(faulty: Path) -> None:
    result = southbound("tables", "import", str(faulty), "-o", "policy.yaml")
    assert result.exit_code == ExitCode.INVALID_INPUT
    wrong, copy = result.stderr.splitlines()
    assert wrong == (
        "southbound: policy.xlsx, sheet Table, cell F11: row R30, column 'speed': "
        'interval "[1000..200]" is empty: nothing lies in it'
    )
    assert copy.startswith("southbound: policy.errors.xlsx: a copy with the reasons beside the cells")
    assert not Path("policy.yaml").exists()
    assert "nothing lies in it" in load_workbook("policy.errors.xlsx")["Table"]["F11"].comment.text


def test_a_copy_that_is_refused_again_keeps_its_name(faulty: Path) -> None:
    southbound("tables", "import", str(faulty))
    result = southbound("tables", "import", "policy.errors.xlsx")
    assert "southbound: policy.errors.xlsx: a copy with the reasons" in result.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["policy.errors.xlsx", "policy.xlsx"]


def test_check_writes_no_copy(faulty: Path) -> None:
    assert southbound("tables", "check", str(faulty)).exit_code == ExitCode.INVALID_INPUT
    assert [path.name for path in Path().iterdir()] == ["policy.xlsx"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.xls", b"x", "a.xls: tables are not read from .xls: save it as .xlsx"),
        ("a.xlsx", b"x", "a.xlsx: is not an XLSX file, or is protected by a password"),
        ("a.csv", b"\xff", "a.csv:1: has a byte that is not UTF-8"),
        ("a.yaml", b"\xff", "a.yaml: is not text in UTF-8"),
        ("none.yaml", None, "none.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(name: str, content: bytes | None, expected: str) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    for command in (["tables", "import", name], ["tables", "export", name, "--to", "csv"], ["tables", "check", name]):
        result = southbound(*command)
        assert result.exit_code == ExitCode.INVALID_INPUT
        assert [line.removeprefix("southbound: ").startswith(expected) for line in result.stderr.splitlines()] == [True]


def test_a_spoke_without_a_profile_is_reported_on_import() -> None:
    southbound("tables", "export", SELECTOR, "--to", "csv", "-o", "selector.csv")
    text = Path("selector.csv").read_text(encoding="utf-8").replace("fibre-lab", "fiber-lab", 1)
    Path("selector.csv").write_text(text, encoding="utf-8")
    result = southbound("tables", "import", "selector.csv")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "selector.csv:" in result.stderr
    assert "fiber-lab is not one of the known spokes" in result.stderr


def test_a_folder_that_does_not_exist_is_reported() -> None:
    result = southbound("tables", "export", POLICY, "--to", "csv", "-o", "no/such/policy.csv")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "no/such/policy.csv: cannot be written (No such file or directory): correct the path" in result.stderr


DECISION = """\
  <decision id="{name}" name="{name}">
    <decisionTable hitPolicy="FIRST">
      <input><inputExpression typeRef="number"><text>Line speed</text></inputExpression></input>
      <output name="whole" typeRef="boolean"/>
      <rule id="fast">
        <inputEntry><text>&gt;= 1000</text></inputEntry><outputEntry><text>true</text></outputEntry>
      </rule>
    </decisionTable>
  </decision>
"""


def write_dmn_model(*decisions: str) -> None:
    """Write a DMN model with these decisions."""
    start = '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" name="m" namespace="urn:m">'
    models = "".join(DECISION.format(name=name) for name in decisions)
    Path("model.dmn").write_text(f"{start}{models}</definitions>", encoding="utf-8")


def test_a_policy_exported_as_dmn_is_imported_without_its_tests() -> None:
    out = southbound("tables", "export", POLICY, "--to", "dmn", "-o", "policy.dmn")
    assert "DMN cannot hold saved tests" in out.stderr
    result = southbound("tables", "import", "policy.dmn")
    expected = write_yaml(document_of(load_any(Path(POLICY).read_text(encoding="utf-8"), POLICY)))
    assert result.stdout == expected.partition("tests:\n")[0]


def test_a_selector_is_not_written_as_dmn() -> None:
    result = southbound("tables", "export", SELECTOR, "--to", "dmn")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "spoke-selector: a selector has orders, switches and thresholds" in result.stderr


def test_the_inputs_of_a_model_are_mapped_to_facts() -> None:
    write_dmn_model("Dispatch")
    result = southbound("tables", "import", "model.dmn", "--path", "Line speed=characteristic[speed]")
    assert result.exit_code == ExitCode.SUCCESS
    assert '  - {name: Line speed, path: "characteristic[speed]", type: number}' in result.stdout.splitlines()


def test_an_input_without_a_fact_is_reported_with_the_remedy() -> None:
    write_dmn_model("Dispatch")
    result = southbound("tables", "import", "model.dmn")
    assert result.exit_code == ExitCode.INVALID_INPUT
    wrong, what_next = result.stderr.splitlines()
    assert wrong == (
        "southbound: model.dmn, decision 'Dispatch': input 'Line speed': path 'Line speed' is not a fact of a run"
    )
    assert what_next.startswith("southbound: model.dmn: say which facts the inputs stand for, such as `southbound")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "model.dmn: the model has several decisions ('One', 'Two'): import one with --decision"),
        (["--decision", "Three"], "model.dmn: there is no decision 'Three'; it has 'One', 'Two'"),
        (["--decision", "One", "--path", "Speed=priority"], "model.dmn, decision 'One': there is no input 'Speed'"),
        (["--path", "Speed"], "--path Speed: write --path 'INPUT=FACT', such as 'Age=characteristic[age]'"),
    ],
)
def test_an_option_that_the_model_does_not_have_is_one_sentence(options: list[str], expected: str) -> None:
    write_dmn_model("One", "Two")
    result = southbound("tables", "import", "model.dmn", *options)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert [line.removeprefix("southbound: ").startswith(expected) for line in result.stderr.splitlines()] == [True]


def test_one_of_several_decisions_is_imported() -> None:
    write_dmn_model("One", "Two")
    result = southbound("tables", "import", "model.dmn", "--decision", "Two", "--path", "Line speed=priority")
    assert result.stdout.startswith("table: two\n")


def test_a_model_is_named_by_the_version_of_its_yaml() -> None:
    write_dmn_model("priority")
    Path("model.dmn").write_text(Path("model.dmn").read_text().replace("Line speed", "priority"))
    southbound("tables", "import", "model.dmn", "-o", "model.yaml")
    result = southbound("tables", "check", "model.dmn", "model.yaml")
    assert result.exit_code == ExitCode.SUCCESS
    assert len({line.partition(": ")[2] for line in result.stdout.splitlines()}) == 1


def test_check_prints_json() -> None:
    Path("broken.yaml").write_text("table: t\nrows: []\n")
    result = southbound("tables", "check", POLICY, "broken.yaml", "--json")
    good, bad = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert (good["table"], good["kind"], good["errors"]) == ("outbound-policy", "policy", [])
    assert good["version"] == version_of(Path(POLICY).read_text(encoding="utf-8"))
    assert bad["file"] == "broken.yaml"
    assert any("broken.yaml:2: there are no rows" in mistake for mistake in bad["errors"])


def test_import_and_export_print_json() -> None:
    out = json.loads(southbound("tables", "export", POLICY, "--to", "csv", "-o", "policy.csv", "--json").stdout)
    result = json.loads(southbound("tables", "import", "policy.csv", "--json").stdout)
    assert (out["table"], out["format"], out["out"]) == ("outbound-policy", "csv", "policy.csv")
    assert (result["table"], result["format"]) == ("outbound-policy", "yaml")
    assert result["text"] == southbound("tables", "import", "policy.csv").stdout


def test_a_refused_spreadsheet_with_merged_cells_is_copied_with_the_reasons_too(faulty: Path) -> None:
    workbook = load_workbook(faulty)
    workbook["Table"].merge_cells("A1:B2")
    workbook.save(faulty)
    result = southbound("tables", "import", str(faulty))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "cell B1: 'table' must be a text" in result.stderr
    assert load_workbook("policy.errors.xlsx")["Table"]["A1"].comment is not None


def test_the_size_of_a_file_of_any_format_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("southbound.operations.tables.formats.MAX_FILE_BYTES", 1_000_000)
    Path("big.csv").write_text("a,b\n" * 300_000)
    result = southbound("tables", "check", "big.csv")
    assert "big.csv: has more than 1 MB: split the table" in result.stderr


@pytest.mark.parametrize("out", ["policy.xlsx", "policy.csv", "policy.dmn"])
def test_yaml_is_not_written_to_a_file_named_as_a_spreadsheet(out: str) -> None:
    southbound("tables", "export", POLICY, "--to", "xlsx", "-o", "policy.xlsx")
    before = Path("policy.xlsx").read_bytes()
    result = southbound("tables", "import", "policy.xlsx", "-o", out)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert f"{out}: would hold YAML and be read as {out[7:].upper()}: name it policy.yaml" in result.stderr
    assert Path("policy.xlsx").read_bytes() == before


@pytest.mark.parametrize("option", [["--decision", "D"], ["--path", "speed=priority"]])
def test_an_option_for_models_is_refused_with_other_formats(option: list[str]) -> None:
    result = southbound("tables", "import", POLICY, *option)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "--decision and --path apply to DMN models" in result.stderr


def test_one_decision_is_imported_although_another_cannot_be() -> None:
    write_dmn_model("One", "Two")
    text = Path("model.dmn").read_text(encoding="utf-8")
    Path("model.dmn").write_text(text.replace("<outputEntry><text>", "<outputEntry><text>1 + ", 1), encoding="utf-8")
    with_path = southbound("tables", "import", "model.dmn", "--path", "Line speed=priority")
    assert "decision 'One', row fast" in with_path.stderr
    second = southbound("tables", "import", "model.dmn", "--decision", "Two", "--path", "Line speed=priority")
    assert (second.exit_code, second.stdout.partition("\n")[0]) == (ExitCode.SUCCESS, "table: two")


def test_checking_a_model_says_how_to_map_its_inputs() -> None:
    write_dmn_model("Dispatch")
    result = southbound("tables", "check", "model.dmn")
    assert "`southbound tables import model.dmn --path 'Age=characteristic[age]'`" in result.stderr
