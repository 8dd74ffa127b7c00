"""GPUs as the queue sees them: how each stands, who has it, and until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.base.errors import keep_command
from mlops_desk.kit.records.owner import Owner


class CardState(StrEnum):
    """How a GPU stands in the machine-wide ledger. Only a free one, or room on a shared one, is given out.

    UNKNOWN and EXTERNAL fail closed: nobody knows what runs there, or it is somebody's who asked for no lease.
    """

    FREE = "free"
    LEASED = "leased"
    SHARED = "shared"
    RESERVED = "reserved"
    EXTERNAL = "external"
    DRAINING = "draining"
    FAULTED = "faulted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CardHolder:
    """Who has a GPU, or a share of it. Times are Unix seconds; None: not known.

    ``label`` is what a person calls it (a job's name, a program); ``job_id`` is of a job of this desk. ``until`` is
    when it must have let go at the latest (a time limit, the end of a reservation). ``share_bytes``: what it declared,
    ``used_bytes`` what its processes are measured to hold.
    """

    label: str
    user: str | None = None
    uid: int | None = None
    job_id: str | None = None
    since: float | None = None
    until: float | None = None
    pid: int | None = None
    share_bytes: int | None = None
    external: bool = False
    used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """A reservation of a GPU for a user. Times are Unix seconds; ``ends_at`` None: until it is taken back."""

    id: str
    gpu: str
    uid: int
    user: str
    starts_at: float
    ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """GPUs booked together by somebody. Times are Unix seconds. ``note`` says why it does not count (None: it does)."""

    id: str
    gpus: tuple[str, ...]
    uid: int
    user: str
    starts_at: float
    ends_at: float
    note: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.uid, self.user)


@dataclass(frozen=True, slots=True)
class GpuWish:
    """So many GPUs with so much free memory each (None: any) that a user wants to hear of once they are free."""

    uid: int
    gpus: int
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GpuNote:
    """Word that was left for whose process is on a GPU; ``uid`` and ``user`` are whom it is for, ``at`` Unix time."""

    id: str
    pid: int
    gpu_index: int
    uid: int
    user: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class GpuCard:
    """One GPU, or one MIG instance, that jobs could be given.

    ``state`` and ``text`` (a few words why) are the ledger's. ``memory_bytes`` is its size, ``room_bytes`` what is not
    in use nor declared by anybody; None: not known. ``peers`` ranks how near another card is: 0 is NVLink, then 1 the
    same switch, up to 5 across the machine; a card that is not named there is farther than all. ``parent`` is the GPU
    of a MIG instance, ``profile`` its size. ``bookings`` are the reservations that are not over. ``fix`` is what to do
    about a broken one, and ``fix_command`` the command in it. ``kept`` is for whom it is kept
    though others could have it. ``lent_by`` names the endpoint that lends it to jobs, and may ask for it back.
    """

    uuid: str
    index: int
    name: str
    state: CardState
    text: str = ""
    memory_bytes: int | None = None
    room_bytes: int | None = None
    holders: tuple[CardHolder, ...] = ()
    peers: Mapping[str, int] = field(default_factory=dict)
    numa_node: int | None = None
    parent: str | None = None
    profile: str | None = None
    bookings: tuple[Booking, ...] = ()
    fix: str | None = None
    fix_command: str | None = None
    kept: KeptFor | None = None
    lent_by: str | None = None

    def __post_init__(self) -> None:
        keep_command(self, "fix", "fix_command")

    @property
    def is_broken(self) -> bool:
        """Tell whether it is not given out again before somebody has mended it, whoever still has it."""
        return self.fix is not None


def in_all(cards: Sequence[GpuCard]) -> str:
    """Say how many GPUs there are: ``8``, or ``7 whole ones and 1 that is split into 2 MIG instances``."""
    instances = [card for card in cards if card.parent is not None]
    split = len({card.parent for card in instances})
    whole = sum(card.parent is None for card in cards) - split
    if not instances:
        return str(whole)
    parts = f"{split} that {'is' if split == 1 else 'are'} split into {len(instances)} MIG instances"
    return f"{whole} whole {'one' if whole == 1 else 'ones'} and {parts}"
