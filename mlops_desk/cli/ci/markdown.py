"""A run as Markdown: a table of its stages, for a summary that people read on their forge. Pure.

What a job or a repository has said stands in it as text: no link, no picture and no HTML is made of it.
"""

import re
from collections.abc import Mapping

from mlops_desk.base.text import plain
from mlops_desk.cli.cells import step
from mlops_desk.records.ci.gaps import code_gaps
from mlops_desk.records.ci.run import CiRun, CiStage, CiStageState, CiState

_MARKS: Mapping[CiState | CiStageState, str] = {
    CiState.PASSED: "✅",
    CiState.FAILED: "❌",
    CiStageState.PASSED: "✅",
    CiStageState.FAILED: "❌",
    CiStageState.SKIPPED: "⏭️",
}
_OTHER = "❔"
_CELL = 300  # chosen: two sentences
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~@:&])")  # CommonMark, and mentions and addresses that forges link


def markdown(run: CiRun) -> str:
    """Return a run as a document."""
    commit = "" if run.commit is None else f" at {run.commit[:12]}"
    ref = "" if run.ref is None else f" of {run.ref_kind} {_text(run.ref)}"
    dirty = ", with changes that are not committed" if run.dirty else ""
    head = (
        f"## {_MARKS.get(run.state, _OTHER)} {_text(run.name)}: {run.state.value}\n\nRun {run.id}{commit}{ref}{dirty}."
    )
    rows = "\n".join(_row(stage) for stage in run.stages)
    head += "".join(f"\n\n⚠️ {_text(gap.text)} {_text(gap.hint)}" for gap in code_gaps(run))
    return f"{head}\n\n| Stage | State | Took | |\n| --- | --- | --- | --- |\n{rows}\n"


def _row(stage: CiStage) -> str:
    took = ""
    if stage.started_at is not None and stage.ended_at is not None:
        took = step(max(0.0, stage.ended_at - stage.started_at))
    state = f"{_MARKS.get(stage.state, _OTHER)} {stage.state.value}"
    return f"| {_text(stage.name)} | {state} | {took} | {_text(stage.text)} |"


def _text(said: str) -> str:
    """Return a text that means nothing but itself in Markdown."""
    return _SPECIAL.sub(r"\\\1", plain(said, _CELL))
