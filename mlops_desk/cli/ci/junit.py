"""A run as JUnit XML, as GitHub's reporters, GitLab and Jenkins read it: a suite for the pipeline, a case for a stage.

https://github.com/jenkinsci/xunit-plugin, junit-10.xsd: a case holds skipped, error or failure, then system-out. A
failed command or gate is a failure; what was cancelled, or whose end nobody saw, an error. Pure.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from mlops_desk.records.ci.gaps import code_gaps
from mlops_desk.records.ci.run import CiRun, CiStage, CiStageState

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_KINDS: Mapping[CiStageState, str] = {
    CiStageState.PASSED: "",
    CiStageState.FAILED: "failure",
    CiStageState.CANCELLED: "error",
    CiStageState.UNKNOWN: "error",
}
"""What stands in a case; of all others it is skipped."""


def junit(run: CiRun, logs: Mapping[str, str]) -> str:
    """Return a run as a document; ``logs`` are the last lines of jobs, by the stage."""
    counts = {"tests": str(len(run.stages))}
    for word in ("failure", "error", "skipped"):
        counts[f"{word}s" if word != "skipped" else word] = str(sum(_kind(one) == word for one in run.stages))
    began = [one.started_at for one in run.stages if one.started_at is not None]
    seconds = max(0.0, (run.ended_at or run.created_at) - min(began, default=run.created_at))
    about = {"name": _legal(run.name), **counts, "time": f"{seconds:.3f}"}
    top = ET.Element("testsuites", about)
    at = datetime.fromtimestamp(run.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ET.SubElement(top, "testsuite", {**about, "timestamp": at})
    properties = ET.SubElement(suite, "properties")
    for name, value in _facts(run).items():
        ET.SubElement(properties, "property", {"name": name, "value": _legal(value)})
    gaps = "\n".join(f"{gap.text} {gap.hint}" for gap in code_gaps(run))
    for stage in run.stages:
        _case(suite, run, stage, logs.get(stage.name))
    if gaps:
        ET.SubElement(suite, "system-err").text = _legal(gaps)
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _case(suite: ET.Element, run: CiRun, stage: CiStage, log: str | None) -> None:
    seconds = 0.0
    if stage.started_at is not None and stage.ended_at is not None:
        seconds = max(0.0, stage.ended_at - stage.started_at)
    about = {"classname": _legal(run.name), "name": _legal(stage.name), "time": f"{seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", about)
    kind = _kind(stage)
    if kind:
        said = {"message": _legal(stage.text or stage.state.value)}
        told = ET.SubElement(case, kind, said if kind == "skipped" else {**said, "type": stage.state.value})
        if kind != "skipped":
            told.text = _legal("\n".join(part for part in (stage.text, stage.hint or "") if part))
    if log:
        ET.SubElement(case, "system-out").text = _legal(log)


def _kind(stage: CiStage) -> str:
    return _KINDS.get(stage.state, "skipped")


def _facts(run: CiRun) -> dict[str, str]:
    found = {
        "run": run.id,
        "repository": run.repository,
        "commit": run.commit or "",
        run.ref_kind or "ref": run.ref or "",
    }
    jobs = {f"job.{stage.name}": stage.job_id for stage in run.stages if stage.job_id is not None}
    return {name: value for name, value in {**found, "dirty": str(run.dirty).lower(), **jobs}.items() if value}


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
