"""``--set``: values put into a job file from beside it."""

import json
import string
from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.file.changes import without_file
from mlops_desk.jobs.file.spec import change_spec, format_spec, parse_spec
from mlops_desk.jobs.records.spec import Mount, Sweep, ValueSpan
from mlops_desk.kit.base.errors import Invalid
from tests.job_specs import specs

HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: b\n"
TEXT = (
    HEAD
    + """command: [train, '{lr}']
params: {lr: 1, model.depth: 2}
mounts:
- {source: /x, target: /d}
sweep: {random: {lr: {low: 1, high: 2}}, samples: 3}
"""
)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("resources.gpus", "2", lambda spec: spec.resources.gpus == 2),
        ("params.lr", "0.10", lambda spec: spec.params["lr"] == "0.10"),
        ("params.new.one", "x", lambda spec: spec.params["new.one"] == "x"),
        ("params.model.depth", "3", lambda spec: spec.params["model.depth"] == "3"),
        ("params.lr", "[1, 2]", lambda spec: spec.params["lr"] == "[1, 2]"),
        ("params", "", lambda spec: spec.params == {}),
        ("params", "{a: 1, lr: 2}", lambda spec: spec.params == {"a": "1", "lr": "2"}),
        ("command", "[python, 'x y', 0.10]", lambda spec: spec.command == ("python", "x y", "0.10")),
        ("command[0]", "fit", lambda spec: spec.command == ("fit", "{lr}")),
        ("command.2", "--fast", lambda spec: spec.command == ("train", "{lr}", "--fast")),
        ("mounts[0].source", "/y", lambda spec: spec.mounts == (Mount("/y", "/d"),)),
        ("mounts[1]", "{source: /y, target: /e}", lambda spec: spec.mounts[1] == Mount("/y", "/e")),
        ("sweep.random.lr.high", "9", lambda spec: spec.sweep.spans["lr"] == ValueSpan(1.0, 9.0)),
        ("sweep", "{grid: {lr: [1, 2]}}", lambda spec: spec.sweep == Sweep(grid={"lr": ("1", "2")})),
        ("timeLimit", "90m", lambda spec: spec.time_limit_seconds == 5400.0),
        ("name", "{a: 1}", lambda spec: spec.name == "{a: 1}"),
        ("name", "'a: # 1'", lambda spec: spec.name == "a: # 1"),
        ("env.A", "a: b # c", lambda spec: spec.env == {"A": "a: b # c"}),
        ("env.A", "on", lambda spec: spec.env == {"A": "on"}),
        ("mounts[0]", "null", lambda spec: spec.mounts == ()),
        ("params.lr", "~", lambda spec: "lr" not in spec.params),
        ("mlflow.server", "", lambda spec: spec.mlflow is None),
    ],
)
def test_a_value_takes_the_place_of_what_stands_there(path, value, found):
    assert found(parse_spec(TEXT, changes={path: value}))


def test_changes_are_put_in_one_after_the_other():
    spec = parse_spec(TEXT, changes={"sweep": "", "params": "", "command": "[a]", "env.A": "b"})
    assert (spec.sweep, spec.params, spec.command, spec.env) == (None, {}, ("a",), {"A": "b"})


@pytest.mark.parametrize(
    ("path", "value", "message", "hint"),
    [
        ("resources.gpu", "2", "--set: 'gpu' is not a key of resources.", "Did you mean gpus? "),
        ("resources.gpus", "two", "--set: resources.gpus: 'two' does not fit.", "Expected: a whole number of GPUs"),
        ("gpus", "2", "--set: 'gpus' is not a key of the file.", "It belongs under resources. "),
        ("command", "python train.py", "--set: command is the text 'python train.py'.", "Expected: a list such as"),
        ("command", "[a", "--set command: Line 1: this is not YAML:", ""),
        ("command[9]", "a", "--set: 'command[9]' names no item of that list.", "Its items are numbered: 0 to 2,"),
        ("command.x", "a", "--set: 'command.x' names no item of that list.", "Its items are numbered: 0 to 2,"),
        ("image", "", "Line 1, column 1: image is missing.", "Add a line image: ... "),
        ("name", "null", "Line 1, column 1: name is missing.", "Add a line name: ... "),
        ("command[0].x", "a", "--set: command[0] is a table.", "Expected: a text"),
        ("a..b", "2", "--set: 'a..b' names no field.", ""),
        (".".join("a" * 40), "2", "--set: 'a.a.", ""),
        ("a" * 5000, "2", "--set: 'aaa", ""),
        ("a[x]", "2", "--set: 'a[x]' is not a key of the file.", ""),
        ("env.LD_PRELOAD", "x", "--set: env: LD_PRELOAD can't be set", ""),
        ("mounts[1].source", "/x", "--set: mounts[1].target is missing.", "Add a line target: ... to mounts[1]."),
        ("mounts[0].mode", "rx", "--set: mounts[0].mode: 'rx' does not fit.", "Expected: ro"),
        ("apiVersion", "v2", "--set: apiVersion: 'v2' does not fit.", "Expected: mlops-desk/v1."),
        ("command", "[a, *x]", "--set command: Line 1, column 5: anchors", ""),
        ("command", "[!!python/object:os.system x]", "--set command: Line 1, column 2: tags", ""),
        ("command", "[" * 5000, "--set command: Line 1, column 9: nested deeper", ""),
        ("env.A", "'b", "--set env.A: Line 1: this is not YAML", ""),
        ("", "2", "--set: '' names no field.", "Write it as resources.gpus=2."),
        ("name.x", "2", "--set: name is a table.", "Expected: a name"),
        ("env.A", "{nope}", "--set: env.A: {nope} is no parameter.", "Known: index, lr, model.depth."),
    ],
)
def test_a_change_that_is_wrong_is_told_as_given_beside_the_file(path, value, message, hint):
    with pytest.raises(Invalid) as caught:
        parse_spec(TEXT, changes={path: value})
    assert caught.value.message.startswith(message)
    assert str(caught.value.hint).startswith(hint)
    assert caught.value.place is None or message.startswith("Line")


def test_what_stands_in_the_file_keeps_its_place_beside_a_change():
    with pytest.raises(Invalid) as caught:
        parse_spec(HEAD + "priority: x\n", changes={"resources.gpus": "1"})
    assert caught.value.place is not None
    assert caught.value.place.line == 5


_WORDS = st.text(string.printable, max_size=20)


@given(st.dictionaries(_WORDS, _WORDS, max_size=3))
@example({"env.A": "x\n..."})
@example({"mounts[0]": "&a [*a]"})
@example({"command[0]": "{a: b}"})
@settings(deadline=None)
def test_whatever_is_given_is_put_in_or_refused_in_words(changes):
    try:
        parse_spec(TEXT, changes=changes)
    except Invalid as error:
        assert error.message  # noqa: PT017 - either outcome is right; anything else raised fails the test


@given(st.text("0123456789abc: '\"#[]{}\\", max_size=12))
def test_a_text_in_quotes_is_itself(text):
    quoted = "'" + text.replace("'", "''") + "'"
    assert parse_spec(HEAD, changes={"env.A": quoted}).env["A"] == text


def test_a_job_without_a_file_is_an_image_and_a_command():
    changes = {"image": "python:3.12", "command": '["python", "train.py", "--x y"]', "resources.gpus": "1"}
    spec = parse_spec(without_file(changes), changes=changes)
    assert (spec.name, spec.image, spec.resources.gpus) == ("python train.py --x y", "python:3.12", 1)
    assert spec.command == ("python", "train.py", "--x y")
    assert parse_spec(without_file({"image": "a"}), changes={"image": "a"}).name == "a"


@pytest.mark.parametrize("command", ['["python", "-c", "a\\nb"]', '["' + "x" * 4000 + '"]', '["\u202e"]', "[' ']"])
def test_a_command_that_is_no_name_gives_one_all_the_same(command):
    changes = {"image": "a", "command": command}
    spec = parse_spec(without_file(changes), changes=changes)
    assert spec.name
    assert len(spec.name) <= 100


def test_neither_a_file_nor_an_image_is_no_job():
    with pytest.raises(Invalid, match="Neither a job file nor an image is given") as caught:
        without_file({"command": "[a]"})
    assert caught.value.command == "mlops-desk jobs submit --image python:3.12 -- python train.py"


def test_nobody_changes_fields_without_end():
    with pytest.raises(Invalid, match="--set is given more than 500 times"):
        parse_spec(HEAD, changes={f"env.A{number}": "1" for number in range(501)})


def test_nothing_changed_is_the_same_job():
    spec = parse_spec(TEXT)
    assert change_spec(spec, {}) is spec


def given_on_the_line(value):
    """Write a value as a person would who knows only --set."""
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


@pytest.mark.slow
@given(specs())
@settings(deadline=None)
def test_whatever_a_file_says_can_be_said_on_the_command_line(spec):
    document = yaml.safe_load(format_spec(spec))
    bare = {name: document.pop(name) for name in ("apiVersion", "kind")}
    changes = {name: given_on_the_line(value) for name, value in document.items()}
    assert parse_spec(json.dumps(bare), changes=changes) == spec


@pytest.mark.slow
def test_a_stored_job_whose_file_would_be_too_long_is_changed_all_the_same():
    variables = ",".join(f"A{number}: {'1' * 116}" for number in range(500))
    spec = parse_spec(f"{HEAD}command: [{'a,' * 1000}]\nenv: {{{variables}}}\n")
    assert len(format_spec(spec)) > 64 * 1024
    assert change_spec(spec, {"priority": "1"}) == replace(spec, priority=1)


@pytest.mark.slow
@given(specs())
@settings(deadline=None)
def test_a_stored_job_is_changed_where_it_is_told_and_nowhere_else(spec):
    changed = change_spec(spec, {"priority": "7"})
    assert changed.priority == 7
    assert change_spec(changed, {"priority": str(spec.priority)}) == spec
