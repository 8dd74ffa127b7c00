"""Verbs about GPUs and the processes on them."""

from builtins import list as list_of
from typing import Annotated, Protocol

from mlops_desk.records.gpu import Gpu, GpuProcess
from mlops_desk.verbs.declaration import Option, Who, changes, reads


class Gpus(Protocol):
    """The workstation's GPUs, and who uses them."""

    @reads
    def list(self) -> list_of[Gpu]:
        """List GPUs with everything that is known of each, processes included."""
        ...

    @reads
    def process(self, pid: int) -> GpuProcess:
        """Show one process that is on a GPU now."""
        ...

    @changes(who=Who.OWNER, before="process", of=("process", "pid"))
    def end_process(self, pid: int, start_ticks: Annotated[int, Option("TICKS")], *, force: bool = False) -> GpuProcess:
        """Ask a process on a GPU to end (TERM), or end it (--force: KILL); pid and start ticks must match."""
        ...
