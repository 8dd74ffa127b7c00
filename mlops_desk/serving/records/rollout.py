"""How a new revision of an endpoint takes over: by which steps, and what sends it back."""

from dataclasses import dataclass

from mlops_desk.jobs.records.reason import Reason

SHADOW_PERCENT = 0.0
"""A revision at this step gets copies of requests, and its answers go to nobody."""
STEPS_PERCENT: tuple[float, ...] = (5.0, 25.0, 50.0, 100.0)
"""Small enough at first that few callers meet a bad revision; then twice to five times as many as before."""


@dataclass(frozen=True, slots=True)
class RolloutGuard:
    """What a canary must keep to beside the live revision, over what both answered since its step began.

    It goes back when it surely has more errors than the live one's share plus ``more_errors`` (a share of requests),
    or when surely more than a twentieth of its answers take longer than ``times_latency`` times the live one's p95.
    It goes on after ``bake_seconds`` at a step, with ``requests`` answered at least.
    """

    more_errors: float = 0.01
    times_latency: float = 1.5
    requests: int = 100
    bake_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """A revision on its way. ``percent`` of requests go to it since the Unix time ``since``; ``steps`` come yet.

    ``is_held`` stays at this step until somebody goes on; ``waits_for`` says what it waits for.
    """

    revision: int
    percent: float
    steps: tuple[float, ...]
    guard: RolloutGuard
    since: float
    is_held: bool = False
    waits_for: Reason | None = None
