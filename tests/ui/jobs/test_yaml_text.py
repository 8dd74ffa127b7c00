"""A job file as text: one field is read and put, and nothing else is lost."""

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.window.form import pane
from mlops_desk.jobs.window.form.pane import FIELDS, NotYet
from mlops_desk.jobs.window.form.yaml_text import NoForm, found, path_at, put, read, value_of

FILE = """\
# my job
apiVersion: mlops-desk/v1
kind: Job
name: my-job   # what it is
image: python:3.12-slim
command:
  - python
  # the whole program
  - -c
  - print('hello')
resources: {gpus: 0, cpus: 1, memory: 1GiB}  # not much
env:
  A: "1"
  # in between
  B: x
last:
"""


@pytest.mark.parametrize(
    ("path", "value", "gone", "come"),
    [
        (("name",), "x y: z", ["name: my-job   # what it is"], ["name: 'x y: z'   # what it is"]),
        (("resources", "gpus"), "2", ["resources: {gpus: 0, cpus: 1, memory: 1GiB}  # not much"],
         ["resources: {gpus: 2, cpus: 1, memory: 1GiB}  # not much"]),
        (("resources", "shm"), "1GiB", ["resources: {gpus: 0, cpus: 1, memory: 1GiB}  # not much"],
         ["resources: {gpus: 0, cpus: 1, memory: 1GiB, shm: 1GiB}  # not much"]),
        (("resources", "gpus"), None, ["resources: {gpus: 0, cpus: 1, memory: 1GiB}  # not much"],
         ["resources: {cpus: 1, memory: 1GiB}  # not much"]),
        (("env", "C"), "yes", [], ["  C: 'yes'"]),
        (("env", "B"), None, ["  B: x"], []),
        (("last",), "7", ["last:"], ["last: 7"]),
        (("mlflow", "experiment"), "digits", [], ["mlflow: {experiment: digits}"]),
        (("image",), None, ["image: python:3.12-slim"], []),
    ],
)  # fmt: skip
def test_one_field_is_put_and_every_other_line_stays_as_it_was_typed(path, value, gone, come):
    before, after = FILE.splitlines(), put(FILE, path, value).splitlines()
    assert [line for line in before if line not in after] == gone
    assert [line for line in after if line not in before] == come


def test_a_list_over_lines_becomes_one_and_only_its_own_comments_are_lost():
    text = put(FILE, ("command",), ["python", "two words"])
    assert "command: [python, two words]\n" in text
    assert "# the whole program" not in text
    assert "# in between" in text


def test_a_file_is_begun_from_nothing():
    assert put("", ("name",), "a") == "name: a\n"
    assert put("# note\n", ("resources", "gpus"), "1") == "# note\nresources: {gpus: 1}\n"
    assert put("{}", ("a", "b"), "1") == "{a: {b: 1}}"
    assert put("name: a", ("name",), None) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x 1\nb: *x\n", "anchors"),
        ("- a\n- b\n", "no table"),
        ("a: [1\n", "no YAML"),
        ("a: b\n---\nc: d\n", "no YAML"),
        ("a: " + "x" * 40_000, "too long"),
        ("a: " + "[" * 30 + "]" * 30, "nested too deeply"),
        ("a: \x00", "no YAML"),
    ],
)
def test_what_no_form_can_put_back_is_said(text, why):
    with pytest.raises(NoForm, match=why):
        read(text)
    assert path_at(text, 1) is None


_KEYS = st.sampled_from(["a", "b", "name", "no", "1", "x y", "é"])
_TEXTS = st.one_of(
    st.sampled_from(["", "1", "true", "null", "~", "a: b", "#no", "[x", "{y}", "'", '"', "- a", "0x10", "2026-01-01"]),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff"),
        max_size=12,
    ),
)
_VALUES = st.recursive(
    _TEXTS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.dictionaries(_KEYS, _VALUES, max_size=4),
    st.lists(_KEYS, min_size=1, max_size=2).map(tuple),
    st.one_of(st.none(), _VALUES),
    st.booleans(),
)
@example({"a": {"b": "1"}}, ("a", "b"), None, False)
@example({"a": "x"}, ("a", "b"), "1", True)
@example({"a": ["x", {"b": "1"}]}, ("b",), ["1"], False)
def test_whatever_is_put_the_file_says_it_and_all_else_as_before(table, path, value, flow):
    text = yaml.safe_dump(table, default_flow_style=flow, sort_keys=False, allow_unicode=True) if table else ""
    before = value_of(read(text))
    after = value_of(read(put(text, path, value)))
    _put_into(before, path, value)
    assert after == before


def _put_into(table, path, value):
    name, *rest = path
    if rest:
        inner = table.get(name)
        if not isinstance(inner, dict):
            if value is None:
                return
            inner = table[name] = {}
        _put_into(inner, rest, value)
        if not inner:
            table.pop(name, None)
    elif value is None:
        table.pop(name, None)
    else:
        table[name] = value


def test_a_place_is_found_again_as_a_field():
    assert path_at(FILE, 4) == ("name",)
    assert path_at(FILE, 9) == ("command",)
    assert path_at(FILE, 11) == ("resources",)
    assert path_at(FILE, 11, 31) == ("resources", "memory")
    assert path_at(FILE, 15) == ("env", "B")
    assert path_at(FILE, 1) is None


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (pane.COMMAND, "python -c 'print(1)'", ["python", "-c", "print(1)"]),
        (pane.PAIRS, "A=1\nB=x=y", {"A": "1", "B": "x=y"}),
        (
            pane.MOUNTS,
            "/data:/in\n/out:/out:rw",
            [{"source": "/data", "target": "/in"}, {"source": "/out", "target": "/out", "mode": "rw"}],
        ),
        (pane.NAMES, "a, b", ["a", "b"]),
        (pane.TEXT, "1GiB", "1GiB"),
    ],
)
def test_a_field_is_typed_as_it_is_shown(field, text, value):
    assert field.typed(text) == value
    assert field.shown(value) == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (pane.TEXT, "two\nlines"),
        (pane.TEXT, ["a"]),
        (pane.COMMAND, "python x"),
        (pane.PAIRS, {"A": "two\nlines"}),
        (pane.PAIRS, {"A=B": "1"}),
        (pane.PAIRS, {"A": " padded"}),
        (pane.MOUNTS, [{"source": "/a", "target": "/b", "stage": "true"}]),
        (pane.MOUNTS, [{"source": "/a:b", "target": "/b"}]),
        (pane.MOUNTS, [{"source": "/a"}]),
        (pane.NAMES, ["a,b"]),
    ],
)  # fmt: skip
def test_what_a_field_would_lose_is_left_to_the_file(field, value):
    assert field.shown(value) is None


@pytest.mark.parametrize(
    ("field", "text"), [(pane.COMMAND, "echo 'a"), (pane.PAIRS, "A"), (pane.MOUNTS, "/a"), (pane.MOUNTS, "/a:")]
)
def test_what_is_no_value_yet_is_said_and_not_put(field, text):
    with pytest.raises(NotYet):
        field.typed(text)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4))
@example(["a b", "", "'", "\n"])
def test_a_command_comes_back_as_it_was(words):
    assert pane.COMMAND.typed(pane.COMMAND.shown(words)) == words


def test_each_field_has_a_place_of_its_own():
    assert len({field.path for field in FIELDS}) == len(FIELDS)
    assert found(read(FILE), ("resources", "memory")).value == "1GiB"


def test_where_no_place_can_be_changed_the_file_is_written_anew():
    assert put("{a: 1, }", ("a",), None) == ""
    assert value_of(read(put("{a: 1, }", ("b",), "2"))) == {"a": "1", "b": "2"}
