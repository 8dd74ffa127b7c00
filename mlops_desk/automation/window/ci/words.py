"""How runs of repositories' pipelines, their stages and watched repositories are said. No Qt here."""

from mlops_desk.automation.records.ci.repository_watch import SeenRef, WatchedRepository
from mlops_desk.automation.records.ci.run import CiRun, CiStage, CiStageKind, CiStageState, CiState
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import ALERT, IDLE, INFO, OK, PAUSED, UNKNOWN, WARNING, Mark

RUN_MARKS = {
    CiState.QUEUED: Mark("muted", IDLE, "waits for an earlier run"),
    CiState.RUNNING: Mark("info", INFO, "running"),
    CiState.PASSED: Mark("ok", OK, "passed"),
    CiState.FAILED: Mark("alert", ALERT, "failed"),
    CiState.CANCELLED: Mark("muted", IDLE, "cancelled"),
    CiState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}
STAGE_MARKS = {
    CiStageState.WAITING: Mark("muted", IDLE, "to come"),
    CiStageState.RUNNING: Mark("info", INFO, "under way"),
    CiStageState.PASSED: Mark("ok", OK, "passed"),
    CiStageState.FAILED: Mark("alert", ALERT, "failed"),
    CiStageState.SKIPPED: Mark("muted", "–", "left out"),
    CiStageState.CANCELLED: Mark("muted", IDLE, "cancelled"),
    CiStageState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}
KINDS = {
    CiStageKind.JOB: "a job",
    CiStageKind.GATE: "a gate: metrics held to limits",
    CiStageKind.REGISTER: "registers the model",
}
_SHORT = 10  # chosen: of a commit, as git itself shows them
_SAID = 400  # characters: five lines of the pane
_QUIET = frozenset({CiStageState.WAITING, CiStageState.SKIPPED, CiStageState.CANCELLED})


def is_quiet(stage: CiStage) -> bool:
    """Tell whether there is nothing to see of a stage."""
    return stage.state in _QUIET


def took(stage: CiStage) -> str:
    """Return how long a stage took; nothing where it has not begun, or goes on."""
    if stage.started_at is None or stage.ended_at is None:
        return ""
    return numbers.duration(max(stage.ended_at - stage.started_at, 0.0))


def commit(sha: str | None, *, is_dirty: bool = False) -> str:
    """Return a commit as people know it; one with changes beside it is said to have them."""
    shown = "no commit" if sha is None else plain(sha[:_SHORT])
    return f"{shown} + changes" if is_dirty else shown


def why(run: CiRun) -> str:
    """Say how a run stands, and why it stopped: by the stage that did not pass, where nothing else is said."""
    text = plain(run.text, _SAID)
    if not text:
        broken = (one for one in run.stages if one.state in {CiStageState.FAILED, CiStageState.UNKNOWN})
        first = next(broken, None)
        text = "" if first is None else f"Stage {plain(first.name, 60)}: {plain(first.text, _SAID)}"
    return ". ".join(filter(None, (RUN_MARKS[run.state].opening, text.rstrip(". ")))) + "."


def said(stage: CiStage) -> str:
    """Return a stage in words, for an assistive tool."""
    needs = f"needs {plain(', '.join(stage.needs), 200)}" if stage.needs else ""
    lasted = took(stage)
    parts = (plain(stage.name, 60), STAGE_MARKS[stage.state].word, lasted and f"took {lasted}", needs)
    return ", ".join(filter(None, parts))


def watched_mark(one: WatchedRepository) -> Mark:
    """Return how a watched repository stands."""
    if one.is_paused:
        return Mark("paused", PAUSED, "its rule is paused")
    if one.trouble is not None:
        return Mark("warning", WARNING, "can't be looked at")
    if one.seen_at is None:
        return Mark("unknown", UNKNOWN, "not looked at yet")
    return Mark("ok", OK, "watched") if one.seen else Mark("warning", WARNING, "has no such branch or tag")


def refs(found: tuple[SeenRef, ...]) -> str:
    """Return branches and tags with their commits: of several the first, and how many more."""
    if not found:
        return ""
    more = f", {len(found) - 1} more" if len(found) > 1 else ""
    return f"{ref(found[0].ref)} {commit(found[0].commit)}{more}"


def ref(name: str) -> str:
    """Return a branch or tag without what git puts before it."""
    return plain(name.removeprefix("refs/heads/").removeprefix("refs/tags/"), 100)
