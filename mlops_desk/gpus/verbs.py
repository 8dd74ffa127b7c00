"""Verbs about GPUs and the processes on them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import Moment, Option, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.gpus.records.gpu_status import GpuCard, GpuNote, GpuWish, Reservation
    from mlops_desk.gpus.records.usage import GpuHours
    from mlops_desk.machine.records.gpu import Gpu, GpuProcess


class Gpus(Protocol):
    """The workstation's GPUs, and who uses them."""

    @reads
    def list(self) -> "list_of[Gpu]":
        """List GPUs with everything that is known of each, processes included."""
        ...

    @reads
    def process(self, pid: int) -> "GpuProcess":
        """Show one process of this machine, on a GPU or not."""
        ...

    @changes(who=Who.OWNER, before="process", of=("process", "pid"))
    def end_process(
        self, pid: int, start_ticks: Annotated[int, Option("TICKS")], *, force: bool = False
    ) -> "GpuProcess":
        """Ask a process, on a GPU or not, to end (TERM), or end it (--force: KILL); pid and start ticks must match."""
        ...

    @reads
    def hours(
        self,
        by: str = "user",
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
    ) -> "list_of[GpuHours]":
        """List GPU-hours by user, job, project or week since a week ago: active, held without use, and nobody's.

        Active is where kernels ran for at least one hundredth of a stretch of five minutes.
        """
        ...

    @reads
    def cards(self) -> "list_of[GpuCard]":
        """List GPUs and MIG instances as the queue sees them: how each stands, who has it and until when, bookings."""
        ...

    @reads
    def card(self, gpu: str) -> "GpuCard":
        """Show one GPU (index or UUID) as the queue sees it."""
        ...

    @reads
    def wait(self, gpus: int = 1, gpu_memory: str | None = None, *, notify: bool = False) -> Iterator[str]:
        """Wait until so many GPUs are free, each with so much memory (40GiB), and tell which; nothing is taken.

        With --notify the window says it too, also when nobody waits here any more.
        """
        ...

    @changes(why="it only asks to be told, and takes nothing from anybody")
    def tell_when_free(self, gpus: int = 1, gpu_memory: str | None = None) -> "GpuWish":
        """Have a notice say when so many GPUs are free, each with so much memory; comes back at once."""
        ...

    @reads
    def bookings(self) -> "list_of[Reservation]":
        """List the bookings of GPUs that are not over, everybody's."""
        ...

    @reads
    def booking(self, booking_id: str) -> "Reservation":
        """Show one booking."""
        ...

    @changes(why="everybody may book within the limits that the settings name")
    def reserve(
        self,
        ends_at: Annotated[float, Moment(word="until", ahead=True)],
        gpus: int | None = None,
        which: str | None = None,
        starts_at: Annotated[float | None, Moment(word="from", ahead=True)] = None,
    ) -> "Reservation":
        """Book GPUs for yourself, so many or those that are named; others' jobs start there only if they end before."""
        ...

    @changes(who=Who.OWNER, before="booking", of=("booking", "booking_id"))
    def release(self, booking_id: str) -> "Reservation":
        """Take back a booking."""
        ...

    @changes(who=Who.ADMINISTRATOR, before="card")
    def trust(self, gpu: str) -> "GpuCard":
        """Take a GPU (index or UUID) back into use that was withheld after an error, once it has been mended."""
        ...

    @changes(why="it only leaves word for whoever runs the process, a few times a week")
    def note(self, pid: int, text: str) -> "GpuNote":
        """Leave a note for whose process is on a GPU; their window shows it. All users of the machine can read it."""
        ...
