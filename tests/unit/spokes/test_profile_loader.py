"""An invalid profile is refused with all its mistakes, each with file, line, spoke and field."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from consumers.spokes.profile import Profile
from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Mistakes = Callable[[str], tuple[str, ...]]

FIVE_MISTAKES = """\
name: fibre-lab
base_url: ftp://ext
timeouts:
  read: -1
  conect: 3
auth:
  kind: basic
  username: gateway
  password: hunter2
result_channels: [sync, pigeon]
"""
NO_ADDRESS = "must be a whole address such as https://system.example/tmf-api/serviceTestManagement/v4"
NO_REFERENCE = "must say where the secret is (env:NAME or file:PATH), never the secret itself"


@pytest.fixture
def mistakes(tmp_path: Path) -> Mistakes:
    def of(text: str) -> tuple[str, ...]:
        path = tmp_path / "lab.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ProfilesWrongError) as wrong:
            load_profiles([path])
        return tuple(mistake.replace(str(tmp_path) + "/", "") for mistake in wrong.value.mistakes)

    return of


def test_a_name_or_a_dialect_of_any_length_makes_a_short_sentence(mistakes: Mistakes) -> None:
    found = mistakes(f'name: "a\\e[31m{"n" * 5_000}"\nbase_url: https://x.example\ndialect: {"d" * 5_000}\n')
    assert found
    assert all(len(sentence) < 500 and sentence.isprintable() for sentence in found)


def test_five_mistakes_are_five_sentences(mistakes: Mistakes) -> None:
    assert mistakes(FIVE_MISTAKES) == (
        f"lab.yaml:2: spoke 'fibre-lab', field 'base_url': {NO_ADDRESS}",
        "lab.yaml:4: spoke 'fibre-lab', field 'timeouts.read': must be greater than 0",
        "lab.yaml:5: spoke 'fibre-lab', field 'timeouts.conect': no such field: did you mean 'connect'?",
        f"lab.yaml:9: spoke 'fibre-lab', field 'auth.password': {NO_REFERENCE}",
        "lab.yaml:10: spoke 'fibre-lab', field 'result_channels.1': must be 'sync', 'callback' or 'poll'",
    )


def test_a_secret_in_the_wrong_place_is_never_repeated(mistakes: Mistakes) -> None:
    assert "hunter2" not in "\n".join(mistakes(FIVE_MISTAKES))
    twice = "name: a\nbase_url: http://a\nauth:\n  password: hunter2\n  password: hunter2\n"
    assert mistakes(twice) == ("lab.yaml:5: a field is written twice: remove one",)
    in_url = "name: a\nbase_url: http://user:hunter2@a\n"
    assert "hunter2" not in "\n".join(mistakes(in_url))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("base_url: http://a\n", "lab.yaml:1: spoke '?', field 'name': is missing"),
        (
            "name: a\nbase_url: http://a\nversion: 5.1\n",
            "lab.yaml:3: spoke 'a', field 'version': must be one of 4.0, 4.1, 4.2, 5.0",
        ),
        (
            "name: a\nbase_url: http://a/tmf-api/serviceTestManagement/v4\nversion: 5.0\n",
            "base_url is the address of TMF653 v4, and version is 5.0, whose paths are below v5",
        ),
        (
            "name: a\nbase_url: http://a\ndialect: latin\n",
            "lab.yaml:3: spoke 'a', field 'dialect': 'latin' is not known here, only",
        ),
        ("name: a\nbase_url: http://a\nauth: {}\n", "field 'auth': needs a 'kind'"),
        (
            "name: a\nbase_url: http://a\nauth: {kind: oath}\n",
            "field 'auth': needs a 'kind', one of 'none', 'basic'",
        ),
        ("name: Fibre Lab\nbase_url: http://a\n", "field 'name': must be lower-case letters"),
        (
            "name: a\nbase_url: http://a\ntimeouts: {connect: 9, total: 9}\n",
            "field 'timeouts': connect (9 s) must be",
        ),
        ("name: a\nbase_url: http://a\nretry: {initial_interval: .inf}\n", "field 'retry.initial_interval': "),
        (
            "name: a\nbase_url: http://a\nstate_spellings: {Gone: unknown}\n",
            "field 'state_spellings.Gone': must be one of our states, after the system's ({running: inProgress}): ack",
        ),
        (
            "name: a\nbase_url: http://a\nheaders: {X-Key: 'env:LAB_KEY'}\n",
            "field 'headers.X-Key': is sent as written; a secret belongs to 'auth'",
        ),
        (
            "name: a\nbase_url: http://a\npatchable: [name]\nreposted: [name]\n",
            "lab.yaml:1: spoke 'a': patchable and reposted both have name: a field is changed in one way",
        ),
        (
            "name: a\nbase_url: http://a\npatch_always_has: [mode]\nmedia_types: {change: application/json-patch+json}",
            "lab.yaml:1: spoke 'a': patch_always_has is for TMF653, with a PATCH that is an object, no JSON patch",
        ),
        (f"name: a\nbase_url: http://a\nerror_meanings: {{{'C' * 65}: busy}}\n", "must have at most 64 characters"),
        ("name: a\nbase_url: http://a\npatchable: [state]\n", "field 'patchable.0': must be 'name'"),
        ("- a\n", "lab.yaml:1: a profile is a mapping"),
        ("", "lab.yaml:1: a profile is a mapping"),
        ("name: [\n", "lab.yaml:2: not valid YAML here"),
        ("name: \x01\n", "not valid YAML here"),
    ],
)
def test_each_mistake_has_its_sentence(text: str, sentence: str, mistakes: Mistakes) -> None:
    assert any(sentence in mistake for mistake in mistakes(text)), mistakes(text)


def test_a_file_that_does_not_exist_or_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfilesWrongError) as wrong:
        load_profiles([tmp_path / "none.yaml", tmp_path / "bytes.yaml"])
    assert [mistake.rpartition("/")[2] for mistake in wrong.value.mistakes] == [
        "none.yaml:1: cannot be read as text (No such file or directory)",
        "bytes.yaml:1: is text in UTF-16: save it as UTF-8",
    ]


def test_a_spoke_is_described_once(tmp_path: Path) -> None:
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for path in paths:
        path.write_text("name: lab\nbase_url: http://a\n", encoding="utf-8")
    with pytest.raises(ProfilesWrongError, match=r"spoke 'lab' is described already in .*a.yaml: rename one"):
        load_profiles(paths)


def test_a_whole_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(
        "name: lab\nbase_url: https://lab.example/v4/\nversion: 4.2\n"
        "auth: {kind: bearer, token: env:LAB_TOKEN}\n"
        "callback_auth: {kind: token, token: file:/run/secrets/lab}\nlook_up: none\nchangeable_states: [pending]\n"
        "state_spellings: {Brewing: inProgress}\ncancel: delete\nresult_channels: [poll]\n",
        encoding="utf-8",
    )
    (profile,) = load_profiles([path])
    assert (profile.base_url, profile.version, profile.look_up) == ("https://lab.example/v4", "4.2", "none")
    assert profile.state_spellings == {"Brewing": "inProgress"}
    assert profile.changeable_states == {"pending"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(fields=st.dictionaries(st.sampled_from(sorted(Profile.model_fields)), json_values, max_size=5))
def test_any_file_is_a_profile_or_has_mistakes_with_their_lines(
    fields: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(json.dumps(fields), encoding="utf-8")
    mistakes: tuple[str, ...] = (f"{path}:1: none",)
    try:
        load_profiles([path])
    except ProfilesWrongError as wrong:
        mistakes = wrong.mistakes
    assert mistakes
    assert all(re.match(rf"{re.escape(str(path))}:[0-9]+: .", mistake) for mistake in mistakes)


@pytest.mark.parametrize(
    "line", ["stan\u00addard: x", "state_spellings: {do\u200bne: completed}", 'headers: {X-Tenant: "fib\u2060re"}']
)
def test_fault_a_character_that_nobody_sees_in_a_profile_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"name: a\nbase_url: http://127.0.0.1:1\n{line}\n", encoding="utf-8")
    with pytest.raises(ProfilesWrongError, match=r"a\.yaml:3: the character U\+.* which nobody sees"):
        load_profiles([file])


def _places(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for attribute, field in model.model_fields.items():
        place = (*above, field.alias or attribute)
        yield place
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _places(field.annotation, place)


@pytest.mark.parametrize("value", [5, 1.5, True, "?", [], [1], {}, {"a": 1}, {"GET": 5}, None], ids=repr)
def test_fault_a_value_of_a_wrong_kind_is_told_in_words_of_the_program(value: object, mistakes: Mistakes) -> None:
    told: set[str] = set()
    for place in [*_places(Profile), ("mapping", "send", "0")]:
        fields: dict[str, object] = {"name": "lab", "base_url": "http://lab"}
        group = fields
        for name in place[:-1]:
            group = group.setdefault(name, {})  # type: ignore[assignment]
        group[place[-1]] = value
        with contextlib.suppress(pytest.fail.Exception):  # some fields take the value
            told.update(mistakes(json.dumps(fields)))
    assert told
    words = r"frozenset|tuple|dictionary|instance|boolean|integer|string|String|parse|should|Input|validation"
    assert [sentence for sentence in sorted(told) if re.search(words, sentence)] == []


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("paths: {serch: /x}", "'search'"),
        ("mapping: {recieve: []}", "'receive'"),
        ("mapping: {send: [{form: /name}]}", "'from'"),
        ("auth: {kind: oauth2, token_uri: x}", "'token_url'"),
        ("hub: {registers: true}", "'register'"),
    ],
)
def test_fault_a_misspelt_field_within_a_group_has_no_suggestion(
    line: str, suggestion: str, mistakes: Mistakes
) -> None:
    found = mistakes(f"name: lab\nbase_url: http://lab\n{line}\n")
    assert any(f"no such field: did you mean {suggestion}?" in mistake for mistake in found), found


def test_fault_a_state_that_is_refused_is_offered(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("name: lab\nbase_url: http://lab\nchangeable_states: [waiting]\n")
    assert mistake.endswith("must be one of acknowledged, cancelled, completed, failed, inProgress, pending, rejected")


def test_fault_a_wrong_field_of_reposted_is_told_twice(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("name: lab\nbase_url: http://lab\nreposted: [characteristics]\n")
    assert "'characteristic'" in mistake
    assert "'testMeasure'" in mistake


def test_the_digest_of_a_profile_changes_with_its_fields_only(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "lab.yaml").write_text(text, encoding="utf-8")
        return load_profiles([tmp_path / "lab.yaml"])[0].digest

    first = "name: lab\nbase_url: http://lab\npatchable: [name, mode, description]\n"
    same = "# a comment\nbase_url: http://lab\nname: lab\npatchable: [description, name, mode]\n"
    key = "auth: {kind: KIND, key: 'env:LAB'}\n"
    keys = [first + key.replace("KIND", kind) for kind in ("api_key", "api_key_query")]
    assert digest(first) == digest(same)
    assert len({digest(text) for text in (first, first + "retry: {max_attempts: 3}\n", *keys)}) == 4
