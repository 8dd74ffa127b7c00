"""The ledger of GPU leases as jobs use it: looked at, taken from, kept over a restart, given back."""

from collections.abc import Callable

from mlops_desk.leases.allocation import Claim, DriverFacts, Standing, choose
from mlops_desk.leases.ledger import LeaseLedger
from mlops_desk.runtimes.local.ports import GpuHolder
from mlops_desk.runtimes.runtime import Outlook


class LedgerGpus:
    """``facts`` returns what the driver showed last, or None while it can't be asked (then no GPU is given out).

    ``engine`` is the address of the engine whose containers hold the leases, where that is not the ledger's own.
    """

    def __init__(self, ledger: LeaseLedger, facts: Callable[[], DriverFacts | None], engine: str | None = None) -> None:
        self._ledger = ledger
        self._facts = facts
        self._engine = engine

    def outlook(self, count: int, memory_bytes: int | None) -> Outlook:
        facts = self._facts()
        # What is EXTERNAL the choice finds out for itself, and names the program.
        claims = {
            uuid: Claim(Standing(info.state), info.text or info.state)
            for uuid, info in self._ledger.snapshot(facts).items()
            if info.state != Standing.EXTERNAL
        }
        choice = choose(count, memory_bytes, facts, claims)
        return Outlook(choice.gpus is not None, choice.reason or "", choice.impossible)

    def lease(self, holder: GpuHolder, count: int, memory_bytes: int | None) -> tuple[str, ...] | str:
        choice = self._ledger.acquire(
            holder.attempt_id,
            holder.label,
            count,
            self._facts(),
            memory_bytes=memory_bytes,
            container=holder.container,
            uid=holder.uid,
            engine=self._engine,
        )
        return choice.gpus if choice.gpus is not None else choice.reason or "No GPU is given out."

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:
        kept = self._ledger.adopt(
            holder.attempt_id,
            holder.label,
            gpus,
            container=holder.container,
            container_pid=pid,
            uid=holder.uid,
            engine=self._engine,
        )
        return set(kept) == set(gpus)

    def settle(self) -> None:
        self._ledger.settle()

    def release(self, attempt_id: str) -> None:
        self._ledger.release(attempt_id)


class ForeignGpus:
    """The GPUs of an engine on another machine, ``name``: of them nothing is known here, so none is given out."""

    def __init__(self, name: str) -> None:
        self._text = f"Engine {name} is on another machine, whose GPUs are not known here."

    def outlook(self, count: int, memory_bytes: int | None) -> Outlook:  # noqa: ARG002 - one answer for all
        return Outlook(free=False, text=self._text, never=True)

    def lease(self, holder: GpuHolder, count: int, memory_bytes: int | None) -> tuple[str, ...] | str:  # noqa: ARG002 - likewise
        return self._text

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:  # noqa: ARG002 - likewise
        """Tell that nobody else holds what only that machine knows."""
        return True

    def settle(self) -> None:
        """Do nothing: nothing is held."""

    def release(self, attempt_id: str) -> None:
        """Do nothing: nothing is held."""
