"""Verbs about live numbers and their history."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import CURSOR, Moment, Option, reads

if TYPE_CHECKING:
    from mlops_desk.kit.records.list_page import ListPage
    from mlops_desk.machine.records.history import Curves, History, ProcessMemory, SeriesBrief, Window
    from mlops_desk.machine.records.host import HostProcesses
    from mlops_desk.machine.records.status import PastStatus, Status


class Telemetry(Protocol):
    """The newest sample, the last 15 minutes at full rate, and years of history."""

    @reads
    def status(self) -> "Status":
        """Show GPUs, who uses them, host, disks and networks as they are now."""
        ...

    @reads
    def status_at(self, moment: Annotated[float, Moment()]) -> "PastStatus":
        """Show GPUs, who held them, host, disks and networks as they were at a time, as far as the history tells."""
        ...

    @reads
    def window(self, seconds: float = 60.0) -> "Window":
        """Return every series over the last ``seconds``; gaps are None."""
        ...

    @reads
    def history(
        self,
        metric: str,
        device: Annotated[
            str,
            Option(
                "ID",
                "GPU (UUID, its beginning, gpu0), host, disk, network card, mount, or what a recorded metric is of",
            ),
        ],
        start: Annotated[str | float, Option("TIME", "-1h, -7d, a date, or Unix seconds", word="from")] = "-1h",
        end: Annotated[str | float, Option("TIME", "the same, or now", word="to")] = "now",
        points: int = 200,
    ) -> "History":
        """Show minimum, mean and maximum of a curve over a span, in as many rows as --points says or so; a gap is –."""
        ...

    @reads
    def curves(self, curves: list[str], start: float, end: float, buckets: int = 600) -> "Curves":
        """Return curves (each ``DEVICE<tab>METRIC``) between two Unix times on one axis, NaN where there is a gap."""
        ...

    @reads
    def series(
        self,
        kind: str | None = None,
        key: str | None = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[SeriesBrief]":
        """List a page of the series that are recorded of endpoints and of drift; history and curves show them."""
        ...

    @reads
    def processes_in(self, start: float, end: float) -> "list[ProcessMemory]":
        """Return the processes that held GPU memory between two Unix times, those who held most first."""
        ...

    @reads
    def processes(
        self, most: Annotated[int, Option("COUNT", "so many that take most of the one and of the other, 1 to 500")] = 40
    ) -> "HostProcesses":
        """List the processes of the whole machine that take most of processors and memory, and those on GPUs."""
        ...
