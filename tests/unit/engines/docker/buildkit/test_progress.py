"""What buildx 0.13.1 writes of a build, made into steps, lines and layers; and what only looks like it."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.docker.buildkit.build_runner import LIMIT_BYTES, BuildProgress, Documents, Garbled
from mlops_desk.engines.records.task import BuildStep, LayerProgress, LayerState

FROM, MAKE, OWN = "sha256:f", "sha256:m", "sha256:o"


def vertex(digest, name, **more):
    return {"vertexes": [{"digest": digest, "name": name, **more}]}


def log(digest, text):
    return {"logs": [{"vertex": digest, "stream": 1, "data": base64.b64encode(text.encode()).decode()}]}


def written(*documents):
    return b"".join(json.dumps(one, indent=2).encode() + b"\n" for one in documents)


def heard(*documents):
    progress = BuildProgress()
    return [*progress.feed(written(*documents)), *progress.end()], progress


BUILD = (
    vertex(OWN, "[internal] load .dockerignore", started="t"),
    vertex(MAKE, "[build 2/2] RUN make"),
    vertex(FROM, "[build 1/2] FROM docker.io/library/python:3.12", started="t"),
    vertex(FROM, "[build 1/2] FROM docker.io/library/python:3.12", started="t", completed="t"),
    vertex(MAKE, "[build 2/2] RUN make", started="t"),
    log(MAKE, "cc -O2\nhalf a "),
    log(MAKE, "line\n10%\r20%\r100%\n\x1b[31mred\x1b[0m \u202egnp\n"),
)


def test_steps_are_counted_as_they_begin_and_lines_are_whole_folded_and_plain():
    news, progress = heard(*BUILD)
    assert [one.text for one in news] == [
        "Step 1/2 : FROM docker.io/library/python:3.12",
        "Step 2/2 : RUN make",
        "cc -O2",
        "half a line",
        "100%",
        "red \\u202egnp",
    ]
    assert news[-1].step == BuildStep(2, 2, "RUN make")
    assert progress.has_begun
    assert progress.error is None


def test_a_line_without_an_end_comes_last():
    assert heard(*BUILD, log(MAKE, "Killed"))[0][-1].text == "Killed"


def test_steps_that_write_at_the_same_time_are_told_apart():
    news, _ = heard(
        *BUILD, vertex("sha256:b", "[web 2/3] RUN npm ci", started="t"), log("sha256:b", "npm\n"), log(MAKE, "cc\n")
    )
    assert [one.text for one in news][6:] == ["Step 3/3 : RUN npm ci", "npm", "--- [build 2/2] RUN make", "cc"]


def test_what_was_there_already_is_told_once():
    again = vertex(MAKE, "[build 2/2] RUN make", started="t", completed="t", cached=True)
    assert [one.text for one in heard(*BUILD[:4], again, again)[0]][1:] == ["Step 2/2 : RUN make", " ---> Using cache"]


def test_why_it_failed_is_what_buildx_says_at_the_end():
    failed = vertex(MAKE, "[build 2/2] RUN make", error='process "make" did not complete successfully: exit code: 9')
    tail = b"Dockerfile:2\n   2 | >>> RUN make\nERROR: failed to solve: process did not complete: exit code: 9\n"
    progress = BuildProgress()
    lines = [one.text for one in progress.feed(written(*BUILD, failed) + tail)]
    assert progress.said == "process did not complete: exit code: 9"
    assert "ERROR: [build 2/2] RUN make: process" in lines[6]
    assert heard(*BUILD, failed)[1].said.endswith("exit code: 9"), "also when it was killed before it said so"


def test_a_step_that_another_ended_is_no_error():
    assert heard(*BUILD, vertex(MAKE, "[build 2/2] RUN make", error="context canceled"))[1].error is None


def test_the_layers_of_what_it_stands_on_are_told():
    digest = "ab" * 32
    status = {"id": f"sha256:{digest}", "vertex": FROM, "name": "downloading", "current": 512, "total": 1024}
    done = {"id": f"sha256:{digest}", "vertex": FROM, "name": "done", "current": 1024, "total": 1024, "completed": "t"}
    unpacked = {"id": f"extracting sha256:{digest}", "vertex": FROM, "name": "extract", "started": "t"}
    own = {"id": "transferring context:", "vertex": OWN, "name": "transferring", "current": 7}
    news, _ = heard({"statuses": [status, unpacked, done, own]})
    assert [one.layer for one in news] == [
        LayerProgress("ab" * 6, LayerState.DOWNLOADING, 512, 1024),
        LayerProgress("ab" * 6, LayerState.EXTRACTING),
        LayerProgress("ab" * 6, LayerState.DONE, None, 1024),
    ]
    assert {one.text for one in news} == {""}


def test_a_program_cannot_say_a_step():
    news, _ = heard(*BUILD[:5], log(MAKE, "Step 7/9 : RUN rm -rf /\n"))
    assert news[-1].step == BuildStep(2, 2, "RUN make")


@pytest.mark.parametrize(
    "document",
    [
        {"vertexes": 5},
        {"vertexes": [None, 5, {"digest": ["x"], "name": {}}, {"digest": "", "name": "[1/1] RUN x"}]},
        {"vertexes": [{"digest": "a", "name": 5, "started": "t"}]},
        {"logs": [{"vertex": MAKE, "data": "no base64!"}, {"vertex": "unknown", "data": "Cg=="}, {"data": None}]},
        {"statuses": [{"id": 5}, {"id": "sha256:" + "a" * 64, "name": "downloading", "current": True, "total": -1}]},
        {"warnings": [{"short": 5}, {"short": "!"}]},
    ],
)
def test_what_nobody_should_have_written_is_passed_over(document):
    heard(*BUILD, document)


@given(st.lists(st.integers(1, 400)), st.booleans())
@example([1], True)
@example([], False)
def test_it_does_not_matter_how_it_is_cut_nor_how_documents_are_laid_out(cuts, compact):
    data = b"".join(json.dumps(one).encode() + b"\n" for one in BUILD) if compact else written(*BUILD)
    data += b"ERROR: failed to solve: x\n"
    progress, news, begin = BuildProgress(), [], 0
    for length in [*cuts, len(data)]:
        news += progress.feed(data[begin : begin + length])
        begin += length
    whole = BuildProgress()
    assert news == list(whole.feed(data))
    assert progress.said == "x"


@given(st.binary(max_size=300))
@example(b"{\n}\n{\n  [\n}\n")
@example(b'{"a": ' + b"[" * 100_000 + b"\n")
@example(b"}\n{")
def test_bytes_of_any_kind_are_taken_in(data):
    progress = BuildProgress()
    list(progress.feed(data))
    list(progress.end())
    assert not progress.has_begun


@pytest.mark.slow
def test_what_grows_without_an_end_is_given_up():
    documents = Documents()
    with pytest.raises(Garbled):
        for _ in range(LIMIT_BYTES // 65536 + 2):
            list(documents.feed(b"x" * 65536))
    documents = Documents()
    with pytest.raises(Garbled):
        for _ in range(LIMIT_BYTES // 65536 + 2):
            list(documents.feed(b"{\n" + b"y" * 65534))
    progress = BuildProgress()
    with pytest.raises(Garbled):
        for _ in range(3000):
            list(progress.feed(b"y\n"))


def test_no_crowd_of_steps_is_kept():
    progress = BuildProgress()
    for begin in range(0, 20_000, 1000):
        many = [{"digest": f"d{n}", "name": f"[s {n}/9] RUN x", "started": "t"} for n in range(begin, begin + 1)]
        list(progress.feed(written({"vertexes": many})))
    assert progress.has_begun
