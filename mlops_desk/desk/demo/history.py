"""The demonstration's past in the telemetry history: thirty days, made in the background by a worker of low priority.

A start finds what is lacking, be it all of it, what a filling that was broken off left, or the days in which the
demonstration was closed: the workstation that it shows goes on meanwhile.
"""

import logging
from threading import Event

from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError
from mlops_desk.base.process import run_worker
from mlops_desk.storage.history.made import MadeHistory
from mlops_desk.telemetry.history.backfill import Backfill, Stretch

_log = logging.getLogger(__name__)

KEPT_SECONDS = 30 * 86_400.0  # what the longest range but those of years shows
_WORKER = "mlops_desk.telemetry.past_worker"
_WORKER_SECONDS = 900.0  # some seconds of work, on a machine whose cores are all taken
_NICENESS = 19  # of nice(2), the most: whoever looks at the demonstration comes first
_FIRST_SECONDS = 2.0  # chosen: by then the window is painted, which needs the processors more


def fill(backfill: Backfill, seed: int, ending: Event) -> None:
    """Fill what is lacking of the last thirty days; what is broken off the next start completes."""

    def make(stretch: Stretch) -> MadeHistory:
        request = {
            "seed": seed, "tier": stretch.tier, "start": stretch.start, "end": stretch.end, "every": stretch.every,
            "niceness": _NICENESS,
        }  # fmt: skip
        answer = run_worker(_WORKER, request, _WORKER_SECONDS, ending=ending)
        return wire.from_builtins(answer, MadeHistory)

    if ending.wait(_FIRST_SECONDS):
        return
    try:
        filled = backfill.fill(make, KEPT_SECONDS, ending)
    except DeskError as error:
        if not ending.is_set():
            _log.warning("The demo's past is not complete; the next start goes on with it: %s", error.message)
    else:
        _log.info("The demo's past is complete; %d stretches of it were made now", filled)
