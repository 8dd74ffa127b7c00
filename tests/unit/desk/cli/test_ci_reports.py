"""A run as JUnit XML and as Markdown, whatever a job or a repository has said; and what runners say of a commit."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.cli.ci.commands import harmless, junit, markdown, ref_of, summary_of
from mlops_desk.automation.records.ci.run import CiRun, CiStage, CiStageKind, CiStageState, CiState
from mlops_desk.automation.text.ci import ci_run

HOSTILE = "]]> </failure><!-- \x1b[31m \x00 \ud800 & \" ' | `x` <script> [a](javascript:x) ![p](http://x) @everyone"


def run_of(text: str = "", name: str = "iris") -> CiRun:
    states = [one for one in CiStageState if one is not CiStageState.RUNNING]
    stages = tuple(
        CiStage(state.value, CiStageKind.JOB, state=state, text=text, hint="look", job_id="j1", started_at=10.0,
                ended_at=12.5)
        for state in states
    )  # fmt: skip
    return CiRun(
        "ab12", name, "/srv/code", CiState.FAILED, stages, commit="c" * 40, ref="main", ref_kind="branch",
        created_at=9.0, ended_at=30.0,
    )  # fmt: skip


def test_each_stage_is_a_case_and_what_became_of_it_is_what_readers_look_for() -> None:
    top = ET.fromstring(junit(run_of("it broke"), {"failed": "last\nlines"}))
    assert (top.tag, top[0].tag) == ("testsuites", "testsuite")
    counts = {"tests": "6", "failures": "1", "errors": "2", "skipped": "2", "time": "20.000", "name": "iris"}
    assert {name: top[0].attrib[name] for name in counts} == counts
    assert top[0].attrib["timestamp"] == "1970-01-01T00:00:09"
    found = {case.attrib["name"]: [child.tag for child in case] for case in top[0].iter("testcase")}
    assert found == {
        "waiting": ["skipped"],
        "passed": [],
        "failed": ["failure", "system-out"],
        "skipped": ["skipped"],
        "cancelled": ["error"],
        "unknown": ["error"],
    }
    failure = top[0].find("testcase[@name='failed']/failure")
    assert failure is not None
    assert (failure.attrib, failure.text) == ({"message": "it broke", "type": "failed"}, "it broke\nlook")
    assert {case.attrib["time"] for case in top[0].iter("testcase")} == {"2.500"}
    told = {one.attrib["name"]: one.attrib["value"] for one in top[0].iter("property")}
    assert (told["commit"], told["branch"], told["dirty"], told["job.failed"]) == ("c" * 40, "main", "false", "j1")
    order = [child.tag for child in top[0]]
    assert order == ["properties", *["testcase"] * 6], "as the schema wants them"


def test_what_the_code_lacks_stands_in_every_report_with_what_to_do() -> None:
    run = replace(run_of(), pointers=("a.bin", "b_[x](y).bin", "c", "d", "e"), submodules=("lib",))
    top = ET.fromstring(junit(run, {}))
    assert [child.tag for child in top[0]][-1] == "system-err", "as the schema wants them"
    told = top[0].findtext("system-err") or ""
    shown = ci_run(run)
    for words in (
        "Its jobs find pointers of Git LFS in the place of 5 files: a.bin, b_[x](y).bin, c and 2 more.",
        "git lfs pull gets what they are.",
        "Its jobs find nothing in the place of a submodule: lib.",
        "git submodule update --init --recursive gets them.",
    ):
        assert words in told
        assert words in shown.replace("\n", " ")
    page = markdown(run)
    assert "Git LFS in the place of 5 files" in page
    assert r"b\_\[x\]\(y\)\.bin" in page
    pushed = junit(replace(run, origin="push:/srv/x"), {})
    assert "git lfs pull" not in pushed
    assert "git submodule" not in pushed
    assert "system-err" not in junit(run_of(), {})


@given(st.text())
@example(HOSTILE)
def test_whatever_was_said_the_document_can_be_read_and_says_it(said: str) -> None:
    top = ET.fromstring(junit(run_of(said, name=said), {"failed": said}).encode("utf-8"))
    assert len(list(top.iter("testcase"))) == 6
    assert len(list(top.iter("failure"))) == 1


def test_what_was_said_is_escaped_and_not_lost() -> None:
    top = ET.fromstring(junit(run_of(), {"failed": HOSTILE}))
    out = top.findtext(".//system-out") or ""
    assert out == HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


def test_markdown_makes_nothing_of_what_was_said() -> None:
    text = markdown(run_of(HOSTILE + "\n| a | b |"))
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 1 + 6
    assert "| failed | ❌ failed | 2.5 s |" in text
    for made in ("<script>", "[a](", "![p](", "@everyone", "`x`", "<!--"):
        assert made not in text.replace("\\", "\\\\") or f"\\{made}" in text, made
    assert "\\<script\\>" in text
    assert "\\@everyone" in text


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, (None, None)),
        ({"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch"}, ("main", None)),
        ({"GITHUB_REF_NAME": "v1", "GITHUB_REF_TYPE": "tag"}, (None, "v1")),
        ({"GITHUB_REF_NAME": "12/merge", "GITHUB_REF_TYPE": "branch", "GITHUB_HEAD_REF": "main"}, ("12/merge", None)),
        ({"CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main"}, ("main", None)),
        ({"CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"}, (None, "v1")),
        ({"CI_COMMIT_REF_NAME": "main", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main"}, (None, None)),
    ],
)
def test_a_runner_says_of_which_branch_or_tag_a_commit_is(
    environment: dict[str, str], found: tuple[str | None, str | None]
) -> None:
    assert ref_of(environment) == found


def test_a_line_of_a_job_is_no_command_to_a_runner() -> None:
    assert harmless("a ##[set-env name=x]y") == "a ## [set-env name=x]y"
    assert harmless("\x1b[0Ksection_start:1:a") == "\x1b[0Ksection_start :1:a"
    assert harmless("section_end:1:a") == "section_end :1:a"
    assert harmless("loss 0.1 # best") == "loss 0.1 # best"
    assert summary_of({"GITHUB_STEP_SUMMARY": "/s"}) == "/s"
    assert summary_of({"GITHUB_STEP_SUMMARY": ""}) is None
