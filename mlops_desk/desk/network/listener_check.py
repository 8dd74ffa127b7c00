"""The doctor's check of the way in: whether other machines reach endpoints, by which certificate, and for how long."""

import time
from collections.abc import Callable, Mapping

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import command_of
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check
from mlops_desk.serving.records.network import EntranceState, NetworkEntrance

NAME = "endpoints network"
_DAY_SECONDS = 86_400.0
_SOON_DAYS = 30.0  # chosen: one's own is renewed 60 days before; one that was given, by somebody who has to be found
_SHOW = "mlops-desk endpoints network"


def entrance_checks(told: Callable[[], NetworkEntrance]) -> Mapping[str, Callable[[], Check]]:
    """Return the check of the way in as ``told`` says it stands; none where none is wanted."""
    entrance = told()
    is_wanted = entrance.state is not EntranceState.OFF or bool(entrance.listen)
    return {NAME: lambda: entrance_check(entrance, time.time())} if is_wanted else {}


def entrance_check(entrance: NetworkEntrance, now: float) -> Check:
    """Tell at the Unix time ``now`` whether the gateway listens, and what callers compare its certificate with."""
    why, fix = _why(entrance.reason)
    if entrance.state is EntranceState.FAILED:
        return Check(NAME, "problem", f"endpoints are not reached at {plain(entrance.listen)}{why}", fix)
    if entrance.state is not EntranceState.OPEN:
        return Check(NAME, "unknown", f"endpoints are not reached at {plain(entrance.listen)} yet{why}", fix)
    text = f"endpoints are reached at {plain(entrance.url or entrance.listen)}"
    if entrance.fingerprint:
        text += f"; the SHA-256 of what callers trust is {entrance.fingerprint}"
    days = None if entrance.expires_at is None else (entrance.expires_at - now) / _DAY_SECONDS
    if days is not None and days <= 0:
        return Check(NAME, "problem", f"{text}; the certificate ran out {abs(days):.0f} days ago{why}", fix or _SHOW)
    lasts = "how long the certificate lasts is not known" if days is None else (
        f"the certificate lasts {days:.0f} days more"
    )  # fmt: skip
    if why or days is None or days < _SOON_DAYS:
        return Check(NAME, "warning", f"{text}; {lasts}{why}", fix or _SHOW)
    return Check(NAME, "ok", f"{text}; {lasts}")


def _why(reason: Reason | None) -> tuple[str, str | None]:
    """Return a reason as the end of a sentence, with what a hint says besides, and the line to paste."""
    if reason is None:
        return "", None
    fix = command_of(reason.hint)
    more = "" if reason.hint is None or fix is not None else f" {plain(reason.hint)}"
    return f": {plain(reason.text)}{more}", fix
