"""What a stage of a run found, as facts: whatever its record has, and nothing that it has not."""

from collections.abc import Iterator

from mlops_desk.base.text import plain
from mlops_desk.records.ci.gaps import code_gaps
from mlops_desk.records.ci.run import CiCheck, CiRun, CiStage
from mlops_desk.ui.automations.ci import words
from mlops_desk.ui.widgets.facts import Fact, moment_fact
from mlops_desk.ui.words import numbers

_TEXT = 400  # characters: five lines of the pane
_MOST = 60  # chosen: more of one kind than anybody reads; the command line tells all


def stage_facts(run: CiRun, stage: CiStage) -> list[Fact]:
    """Return what is known of a stage, and after it of the run that it is of."""
    return [*_of_stage(stage), *_of_run(run)]


def _of_stage(stage: CiStage) -> Iterator[Fact]:
    mark, took = words.STAGE_MARKS[stage.state], words.took(stage)
    yield Fact("Stage", f"{plain(stage.name, 60)}: {words.KINDS[stage.kind]}")
    yield Fact("State", f"{mark.text}{f', took {took}' if took else ''}", mark.token)
    if stage.started_at is not None:
        yield moment_fact("Begun", stage.started_at)
    if stage.needs:
        yield Fact("Needs", plain(", ".join(stage.needs), _TEXT))
    if stage.text:
        yield Fact("Found", plain(stage.text, _TEXT))
    if stage.hint:
        yield Fact("What to do", plain(stage.hint, _TEXT))
    for check in stage.checks[:_MOST]:
        yield _check(check)
    if stage.version:
        yield Fact("Version", f"v{plain(stage.version, 40)}")
    if stage.job_id:
        yield Fact("Job", plain(stage.job_id, 80), fixed=True)


def _check(one: CiCheck) -> Fact:
    limits = [
        f"{word} {numbers.number(limit, 4)}"
        for word, limit in (("at least", one.at_least), ("at most", one.at_most))
        if limit is not None
    ]
    wanted = f" (wanted: {' and '.join(limits)})" if limits else ""
    if one.value is None or one.passed is None:
        return Fact(plain(one.metric, 60), f"{numbers.UNKNOWN} not told{wanted}", "unknown")
    word, tone = (numbers.OK, "text") if one.passed else (numbers.ALERT, "alert")
    return Fact(plain(one.metric, 60), f"{word} {numbers.number(one.value, 4)}{wanted}", tone)


def _of_run(run: CiRun) -> Iterator[Fact]:
    for gap in code_gaps(run):
        yield Fact("Not in its code", plain(f"{numbers.WARNING} {gap.text} {gap.hint}", _TEXT), "warning")
    yield Fact("Run", run.id, fixed=True)
    yield Fact("Repository", plain(run.repository, _TEXT))
    sha = words.commit(run.commit, is_dirty=run.dirty)
    of = "" if run.ref is None else f", {plain(run.ref_kind or 'branch', 10)} {words.ref(run.ref)}"
    yield Fact("Commit", f"{sha}{of}", tip=run.commit or "")
    yield Fact("Begun by", plain(run.user, 60))
    yield moment_fact("Began", run.created_at)
    if run.hint:
        yield Fact("Next", plain(run.hint, _TEXT))
