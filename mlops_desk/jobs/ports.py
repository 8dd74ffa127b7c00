"""What jobs need from the rest of the house, as plain types: GPU leases, and runs on the tracking server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.records.job import JobSpec


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether GPUs could be had now. Without ``free``, ``text`` says what is waited for, or why it is ``never``."""

    free: bool
    text: str = ""
    never: bool = False


@dataclass(frozen=True, slots=True)
class GpuHolder:
    """An attempt that holds GPUs, the name its container has or is about to get, and whose job it is."""

    attempt_id: str
    label: str
    container: str
    uid: int


class GpuLeases(Protocol):
    """The machine's ledger of GPUs."""

    def outlook(self, count: int, memory_bytes: int | None) -> Outlook:
        """Tell whether ``count`` GPUs with so much memory each could be leased now; nothing is taken."""
        ...

    def lease(self, holder: GpuHolder, count: int, memory_bytes: int | None) -> tuple[str, ...] | str:
        """Take GPUs and return their UUIDs, or say in words why not."""
        ...

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:
        """Go on holding exactly these GPUs, also after a restart; from now on as long as the process ``pid`` lives.

        False when one of them has gone to somebody else meanwhile. Raises Unavailable.
        """
        ...

    def settle(self) -> None:
        """Find out who ended without giving back what they held; may ask the engine."""
        ...

    def release(self, attempt_id: str) -> None:
        """Let go of what the attempt holds; no error when it holds nothing. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class RunTicket:
    """A run that a container may log to; ``tracking_uri`` is the address as containers see it."""

    run_id: str
    tracking_uri: str
    token: str | None = None


PrepareRun = Callable[[JobSpec, str, str], RunTicket]
"""Make the run of a job (spec, job id, attempt id), or return the one it has: asked twice, it must not make two.
The token is the attempt's own, and those that it got before are void.

Raises DeskError while the tracking server can't be had; the job then waits.
"""

FinishRun = Callable[[str, str], None]
"""Set a run's status (run id, MLflow's word for it) if it is not over already. Raises DeskError: asked again later."""

KeepTickets = Callable[[Callable[[str], bool]], None]
"""Make void the tokens of all attempts but those (by id) that are current. Raises Unavailable."""
