"""Runs of the team's repositories in the demonstration: one that a gate held up, its mend, a tag, and an older one.

A rule watches the repository: all but the oldest run were begun by it. The repository itself is only told of.
"""

from dataclasses import replace

from mlops_desk.automation.records.ci.run import CiCheck, CiRun, CiStage, CiStageKind, CiStageState, CiState
from mlops_desk.automation.records.firing import PushedRef
from mlops_desk.automation.rules.live.pushes import fits, is_pattern, refs_text
from mlops_desk.desk.demo import seed_records

REPOSITORY = "/srv/git/churn.git"
BRANCH, TAGS = "main", "v*"
"""What of the repository is watched."""
_HOUR, _DAY = 3600.0, 86_400.0
_LATENCY = 0.05  # chosen: seconds for a batch, what the team's gate asks for
_ACCURACY = 0.89  # chosen: likewise
_STAGES = (
    ("build", CiStageKind.JOB, (), 96.0),
    ("features", CiStageKind.JOB, ("build",), 340.0),
    ("train", CiStageKind.JOB, ("features",), 1490.0),
    ("baseline", CiStageKind.JOB, ("features",), 120.0),
    ("evaluate", CiStageKind.JOB, ("train", "baseline"), 210.0),
    ("gate", CiStageKind.GATE, ("evaluate",), 1.0),
    ("register", CiStageKind.REGISTER, ("gate",), 4.0),
)
"""The pipeline of the repository: each stage, what it needs, and how many seconds it takes."""


def runs(now: float) -> list[CiRun]:
    """Return the runs that were over before ``now`` (Unix time), newest first."""
    return [
        _run("mend", now - 4 * _HOUR, "amara", "9d2c41f7", 0.912, 0.031, "8"),
        _run("held", now - 7 * _HOUR, "amara", "4e81b0ac", 0.915, 0.074),
        _run("tag", now - 3 * _DAY, "amara", "c0317e9d", 0.904, 0.029, "7", tag="v1.4"),
        _run("first", now - 9 * _DAY, "jonas", "71fa5528", 0.898, 0.03, "6"),
    ]


def pushes(now: float) -> list[tuple[float, PushedRef, CiRun]]:
    """Return what was pushed since the rule was there, newest first: when, what, and the run of it."""
    return [(run.created_at, PushedRef(REPOSITORY, _whole(run), run.commit or ""), run) for run in runs(now)[:-1]]


def seen(repository: str, ref: str) -> str | None:
    """Return how a branch, tag or pattern of the repository looks, as a rule's look keeps it; None: it is another's."""
    if repository != REPOSITORY:
        return None
    at = {push.ref: push.commit for _, push, _ in reversed(pushes(0.0))}
    found = {name: commit for name, commit in at.items() if fits(name, ref)}
    return refs_text(found.items()) if found or is_pattern(ref) else ""


def _whole(run: CiRun) -> str:
    return f"refs/tags/{run.ref}" if run.ref_kind == "tag" else f"refs/heads/{run.ref}"


def _run(
    name: str, at: float, user: str, commit: str, accuracy: float, latency: float, version: str = "", tag: str = ""
) -> CiRun:
    checks = (
        CiCheck("accuracy", accuracy, _ACCURACY, None, accuracy >= _ACCURACY),
        CiCheck("latency", latency, None, _LATENCY, latency <= _LATENCY),
    )
    passed = all(one.passed for one in checks)
    stages: list[CiStage] = []
    ends: dict[str, float] = {}
    for stage, kind, needs, seconds in _STAGES:
        begun = max((ends[need] for need in needs), default=at)
        ends[stage] = begun + seconds
        stages.append(CiStage(stage, kind, needs, CiStageState.PASSED, started_at=begun, ended_at=begun + seconds))
    if not passed:
        stages[-1] = CiStage(*_STAGES[-1][:3], CiStageState.SKIPPED, text="The gate did not pass.")
    else:
        stages[-1] = replace(stages[-1], text=f"Registered as churn version {version}.", version=version)
    told = "All metrics keep their limits." if passed else f"latency is {latency:g}, and at most {_LATENCY:g} passes."
    state = CiStageState.PASSED if passed else CiStageState.FAILED
    stages[-2] = replace(stages[-2], state=state, text=told, checks=checks)
    return CiRun(
        seed_records.named(f"ci.{name}")[:12], "churn", REPOSITORY, CiState.PASSED if passed else CiState.FAILED,
        tuple(stages), commit=seed_records.named(f"commit.{commit}")[:40], ref=tag or "main",
        ref_kind="tag" if tag else "branch", file="mlops-desk.yaml",
        text="" if passed else f"gate: {told}", created_at=at, user=user,
        ended_at=max(one.ended_at or at for one in stages),
    )  # fmt: skip
