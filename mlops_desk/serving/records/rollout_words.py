"""What a rollout waits for and what would send it back, in sentences."""

from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.rollout import SHADOW_PERCENT, Rollout

_WHOLE = 100.0  # percent
_ID = 8  # chosen: as much of an id as tells runs of a day apart


def stands(endpoint: Endpoint, rollout: Rollout) -> str:
    """Say what the revision on its way gets now."""
    live = f"revision {endpoint.revision} answers"
    if rollout.percent == SHADOW_PERCENT:
        return f"Revision {rollout.revision} is a shadow: it gets copies, and {live}.{_of_copies(endpoint)}"
    return f"Revision {rollout.revision} gets {rollout.percent:g} % of the requests; {live} the others."


def brief(rollout: Rollout) -> str:
    """Say the same where there is hardly any room."""
    gets = "shadow" if rollout.percent == SHADOW_PERCENT else f"{rollout.percent:g} %"
    return f"r{rollout.revision}: {gets}"


def _of_copies(endpoint: Endpoint) -> str:
    """Say how a shadow does with its copies, which are none of the requests; nothing before there were any."""
    load = endpoint.shadow_load
    if load is None or load.latency_p95_seconds is None:
        return ""
    p95 = f"{1000 * load.latency_p95_seconds:.3g} ms"
    return f" {load.requests_per_second:.3g} copies/s, p95 {p95}, {load.errors_per_second:.3g} errors/s."


def leader(endpoint: Endpoint) -> str | None:
    """Return the pipeline that tries the revision on its way, None where no retraining does."""
    return None if endpoint.following is None else endpoint.following.led_by


def waits(rollout: Rollout, led_by: str | None = None, answered: int | None = None) -> str:
    """Say what leads it on; ``answered`` requests count so far (None: not known)."""
    if rollout.waits_for is not None:
        return f"It waits: {plain(rollout.waits_for.text)}"
    if rollout.percent == SHADOW_PERCENT and led_by is not None:
        held = duration_text(rollout.guard.bake_seconds)
        return f"Pipeline {plain(led_by, _ID)} leads it: it gets its first share once it has held for {held}."
    if rollout.percent == SHADOW_PERCENT:
        return "It stays a shadow until you promote it, or take it back."
    if rollout.is_held:
        return "Its share was set by hand, so it stays there until you promote it, or take it back."
    guard = rollout.guard
    following = rollout.steps[0] if rollout.steps else _WHOLE
    how = "all of them" if following >= _WHOLE else f"{following:g} %"
    requests = f"{guard.requests:,} request{'' if guard.requests == 1 else 's'}"
    return (
        f"Next: {how}, once it has had this share for {duration_text(guard.bake_seconds)} and answered "
        f"{requests}{_lacking(answered, guard.requests)}."
    )


def _lacking(answered: int | None, wanted: int) -> str:
    """Say how many answers there are, and how many are lacking; nothing where that is not known, or it is enough."""
    if answered is None or answered >= wanted:
        return ""
    return f": {answered:,} so far, {wanted - answered:,} more to come" if answered else ": none so far"


def guarded(rollout: Rollout, led_by: str | None = None) -> str:
    """Say what sends it back by itself."""
    if rollout.percent == SHADOW_PERCENT and led_by is None:
        return "Its answers reach nobody, so nothing sends it back."
    guard = rollout.guard
    return (
        f"It goes back by itself when it surely has {100 * guard.more_errors:g} % more errors than the live one, "
        f"or more than 1 of 20 answers take over {guard.times_latency:g} times the p95 of that."
    )
