"""What the wrapper around a job's command writes of its end, in whatever runtime it runs. Pure."""

from dataclasses import dataclass

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid

PROOF_FAILED_CODE = 96  # the wrapper's; shells take 126 and more for themselves, sysexits.h 64 to 78
PROOFS = frozenset({"uuid", "minor", "none"})
"""How an attempt's GPUs were proven to be the leased ones: by UUID, by device file, or not, as nothing tells."""
OUTCOME_LIMIT_BYTES = 16 * 1024  # it has a dozen short lines, but the job can write there too


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the wrapper wrote. ``signal`` is the one it was sent, if any; ``gpu_proof``: uuid, minor, none, failed.

    Uptimes are seconds since the machine began, which no setting of the clock moves.
    """

    attempt: str
    exit_code: int
    started_at: float | None = None
    ended_at: float | None = None
    started_uptime: float | None = None
    ended_uptime: float | None = None
    signal: str | None = None
    gpu_proof: str = "none"
    visible_gpus: str = ""


def parse_outcome(data: bytes, attempt_id: str) -> Outcome | None:
    """Read an outcome file; None when it is not one, or another attempt's: the job could write there too."""
    if len(data) > OUTCOME_LIMIT_BYTES:
        return None
    try:
        outcome = wire.loads(data, Outcome)
    except Invalid:
        return None
    return outcome if outcome.attempt == attempt_id and 0 <= outcome.exit_code <= 255 else None
