"""Runs of repositories' pipelines: their stages one below the other."""

from collections.abc import Callable
from typing import Any

from mlops_desk.automation.records.ci.gaps import code_gaps
from mlops_desk.automation.records.ci.repository_watch import SeenRef, WatchedRepository
from mlops_desk.automation.records.ci.run import CiBrief, CiPlan, CiRun, CiStage
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, in_full, step, table

_TEXT = 400  # chosen: five lines of a terminal
_CELL = 90  # chosen: what is left of a line of a wide terminal; what is longer stands below


def ci_run(item: CiRun) -> str:
    told = {
        "run": f"{item.id} of {plain(item.name)}",
        "state": item.state.value,
        "repository": plain(item.repository, _TEXT),
        "commit": _commit(item.commit, dirty=item.dirty),
        "for": "–" if item.ref is None else f"{item.ref_kind} {plain(item.ref)}",
        "began": f"{ago(item.created_at)} by {plain(item.user)}",
    }
    for number, gap in enumerate(code_gaps(item), 1):
        told["code" if number == 1 else f"code {number}"] = f"{gap.text} {gap.hint}"
    if item.text:
        told["note"] = plain(item.text, _TEXT)
    if item.hint:
        told["next"] = plain(item.hint, _TEXT)
    rows = [_row(one) for one in item.stages]
    found = in_full({one.name: one.text for one in item.stages}, _CELL)
    return f"{facts(told)}\n\n{table(['STAGE', 'STATE', 'TOOK', 'JOB', 'FOUND'], rows)}{found}"


def _row(one: CiStage) -> list[str]:
    took = "" if one.started_at is None or one.ended_at is None else step(max(0.0, one.ended_at - one.started_at))
    return [one.name, one.state.value, took, one.job_id or "–", plain(one.text, _CELL)]


def _commit(commit: str | None, *, dirty: bool) -> str:
    return f"{'none' if commit is None else commit[:12]}{', with changes that are not committed' if dirty else ''}"


def ci_plan(item: CiPlan) -> str:
    rows = [[one.name, one.kind.value, ", ".join(one.needs) or "–"] for one in item.stages]
    return f"The pipeline {plain(item.name)} is right.\n\n{table(['STAGE', 'KIND', 'NEEDS'], rows)}"


def _at(refs: tuple[SeenRef, ...]) -> str:
    """Return where refs are: of several the first, and how many more."""
    if not refs:
        return "–"
    name = refs[0].ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    more = f" and {len(refs) - 1} more" if len(refs) > 1 else ""
    return f"{plain(name)} {plain(refs[0].commit[:12])}{more}"


def watched_state(item: WatchedRepository) -> str:
    if item.trouble is not None:
        return plain(item.trouble, _CELL)
    return "paused" if item.is_paused else "watched" if item.seen_at is not None else "not looked at yet"


FORMS: dict[type, Callable[[Any], str]] = {CiRun: ci_run, CiPlan: ci_plan}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    CiBrief: {
        "ID": lambda item: item.id,
        "PIPELINE": lambda item: item.name,
        "STATE": lambda item: item.state.value,
        "FOR": lambda item: item.ref or "–",
        "COMMIT": lambda item: _commit(item.commit, dirty=False),
        "STAGE": lambda item: item.stage or "–",
        "PASSED": lambda item: f"{item.passed} of {item.stages}",
        "BEGAN": lambda item: ago(item.created_at),
    },
    WatchedRepository: {
        "REPOSITORY": lambda item: plain(item.repository, _CELL),
        "REF": lambda item: plain(item.ref),
        "RULE": lambda item: item.rule,
        "AT": lambda item: _at(item.seen),
        "PUSHED": lambda item: ago(item.pushed_at),
        "RUN": lambda item: item.run_id or "–",
        "STATE": watched_state,
    },
}
