"""Pipelines as they are written down: what stands in them, and what is wrong with it, with its place."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.ci.document import parse_pipeline, pipeline_schema, plan_of
from mlops_desk.automation.ci.fields import CiFile
from mlops_desk.kit.base.errors import Invalid

WHOLE = """apiVersion: mlops-desk/v1
kind: Pipeline
name: iris
when: {branches: [main, "release/*"], tags: ["v*"]}
stages:
  - name: keep
    needs: [good]
    register: iris
    of: train
  - name: image
    build: {context: .}
  - name: train
    imageOf: image
    command: [python, train.py]
    resources: {gpus: 1}
    outputs: [/out]
    metrics: /out/metrics.json
    mlflow: {experiment: iris}
  - name: evaluate
    imageOf: image
    command: [python, evaluate.py]
    inputs: {/model: train}
    data: [/data]
  - name: good
    gate:
      accuracy: {atLeast: 0.9}
    of: train
"""


def test_stages_run_behind_what_they_need_whatever_their_order_in_the_file() -> None:
    plan = plan_of(parse_pipeline(WHOLE))
    assert [stage.name for stage in plan.stages] == ["image", "train", "evaluate", "good", "keep"]
    assert [stage.needs for stage in plan.stages] == [(), ("image",), ("image", "train"), ("train",), ("good", "train")]
    assert [stage.kind.value for stage in plan.stages] == ["job", "job", "job", "gate", "register"]


@pytest.mark.parametrize(
    ("old", "new", "place", "said", "hint"),
    [
        ("of: train\n  - name: image", "of: trian\n  - name: image", "Line 9, column 9", "no stage trian", "train"),
        ("needs: [good]", "needs: [keep]", "Line 7, column 13", "this stage itself", "another"),
        ("gpus: 1", "gpus: many", "Line 15, column 23", "does not fit", "whole number of GPUs"),
        ("{atLeast: 0.9}", "{}", "Line 26, column 17", "what it has to hold", "atLeast: NUMBER"),
        ("{atLeast: 0.9}", "{atLeast: 2, atMost: 1}", "Line 26, column 17", "at least more", "Exchange"),
        ("imageOf: image", "imageOf: evaluate", "Line 13, column 14", "builds no image", "build:"),
        ("imageOf: image\n", "imageOf: image\n    image: x\n", "Line 13, column 14", "image already", "Keep one"),
        ("/out/metrics", "/other/metrics", "Line 17, column 14", "none of the stage's outputs", "outputs: [/out]"),
        ("{/model: train}", "{/model: image}", "Line 22, column 13", "no folder that image keeps", "none"),
        ("{/model: train}", '{/model: "train:/x"}', "Line 22, column 13", "no folder that train keeps", "/out"),
        ("data: [/data]", "data: [/model]", "Line 23, column 12", "taken by inputs", "another folder"),
        ("outputs: [/out]", "outputs: [/out, /work/out]", "Line 16, column 21", "in the code", "/out"),
        ("context: .", "context: ../..", "Line 11, column 22", "does not fit", "folder of the repository"),
        ("name: good", "name: train", "Line 24, column 11", "a stage train already, in line 12", "another name"),
        ("register: iris", "register: a/b", "Line 8, column 15", "does not fit", "without / or :"),
        ("    register: iris\n", "    register: iris\n    env: {A: b}\n", "Line 9, column 10", "starts no container", ""),
        ("kind: Pipeline", "kind: Job", "Line 2, column 7", "the file is a Job", "jobs submit FILE"),
        ("kind: Pipeline\nname: iris", "kind: Rule\nthen: []", "Line 2, column 7", "is a Rule", "rules check FILE"),
        ("kind: Pipeline", "kind: Pipe", "Line 2, column 7", "does not fit", "Pipeline"),
        ("    command: [python, train.py]\n", "", "Line 12, column 5", "what it runs is missing", "command:"),
        ("outputs: [/out]", "outputs: [/out, /log]", "Line 22, column 13", "no folder that train keeps", "/out, /log"),
        ("experiment: iris", "experiment: iris, server: 'http://x'", "Line 9, column 9", "to another server", "server"),
        ("    of: train\n  - name: image", "  - name: image", "Line 6, column 5", "to register is missing", "of: STAGE"),
        ("data: [/data]", "mounts: [/etc]", "Line 23, column 5", "mounts", ""),
        ("data: [/data]", "relax: [seccomp]", "Line 23, column 5", "relax", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_what_to_write(
    old: str, new: str, place: str, said: str, hint: str
) -> None:
    assert old in WHOLE
    with pytest.raises(Invalid) as caught:
        parse_pipeline(WHOLE.replace(old, new, 1))
    assert place in caught.value.message
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "Line 1: the file is empty."),
        ("# nothing\n", 1, "Line 1: the file is empty."),
        ("a: 1\nb: \x01\n", 2, "this is not YAML: special characters are not allowed"),
        ("a: [1\n", 1, "this is not YAML"),
    ],
)
def test_what_is_no_document_has_a_place_by_which_its_file_is_named(text: str, line: int, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_pipeline(text)
    assert said in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == line


@pytest.mark.slow
def test_stages_that_wait_for_one_another_are_refused() -> None:
    text = WHOLE.replace("command: [python, train.py]", "command: [python]\n    needs: [evaluate]")
    with pytest.raises(Invalid, match="wait for one another: keep, train, evaluate, good"):
        parse_pipeline(text)


@pytest.mark.slow
@given(st.text(max_size=200) | st.integers(0, len(WHOLE)).map(lambda at: WHOLE[:at]))
@example("")
@example("\x00")
@example("stages: &a [*a]")
@example("[" * 10_000)
@example(WHOLE.replace("name: iris", "name: " + "\ud800"))
@example(WHOLE.replace("accuracy:", "'':"))
@example(WHOLE.replace("accuracy:", "a.b[0]:"))
@example(WHOLE.replace("{atLeast: 0.9}", "null"))
@example(WHOLE.replace("{/model: train}", "[]"))
def test_whatever_a_file_holds_it_is_a_pipeline_or_the_one_error(text: str) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(parse_pipeline(text), CiFile)


@pytest.mark.slow
@given(st.data())
def test_a_file_with_one_line_gone_or_doubled_is_a_pipeline_or_the_one_error(data: st.DataObject) -> None:
    lines = WHOLE.splitlines(keepends=True)
    at, times = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.sampled_from([0, 2]))
    with contextlib.suppress(Invalid):
        assert plan_of(parse_pipeline("".join([*lines[:at], *([lines[at]] * times), *lines[at + 1 :]]))).stages


def test_what_each_key_holds_can_be_read() -> None:
    msgspec.json.Decoder(CiFile)  # raises where the bounds of one exclude each other
    text = WHOLE.replace("command: [python, train.py]", "command: [python]\n    timeLimit: 1h30m")
    assert parse_pipeline(text).stages[2].time_limit == 5400.0
    with pytest.raises(Invalid, match="Line 15, column 16"):
        parse_pipeline(text.replace("1h30m", "0s"))


def test_the_schema_is_one_document_for_editors() -> None:
    schema = pipeline_schema()
    assert schema["properties"]["kind"]["enum"] == ["Pipeline"]
    assert json.loads(json.dumps(schema)) == schema
