"""What a ledger stands on: whose it is, where leases lie, who judges them, and what of them is our own."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.files import Lease
from mlops_desk.gpus.leases.folders import LeaseFolders, UserFile
from mlops_desk.gpus.leases.host import ThisHost
from mlops_desk.gpus.leases.own_leases import KeptLeases
from mlops_desk.gpus.leases.share_slots import idle_stand_ins
from mlops_desk.gpus.leases.survey import Device
from mlops_desk.gpus.leases.validity import LABEL_LIMIT, LeaseJudge
from mlops_desk.gpus.records.gpu_status import Booking, CardState
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuState

WORD_LIMIT = 128  # below the files' limit of 200 characters, so that what is written is read

Bookings = Mapping[str, tuple[Booking, ...]]


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """Who takes leases: the agent's instance and the address of its engine."""

    instance: str
    engine: str = ""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who is to have GPUs, and of each ``share_bytes`` of its memory (None: all of it).

    ``container`` is the name that the attempt's container is about to get: the lease outlives this process for as long
    as a container of that name lives, on ``engine`` or else on our own. ``until`` (Unix seconds): it ends by then.
    """

    attempt: str
    label: str
    container: str | None = None
    uid: int | None = None
    engine: str | None = None
    share_bytes: int | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Grounds:
    """Shared by what takes, keeps and shows leases. ``bookings`` returns those that count."""

    owner: LeaseOwner
    folders: LeaseFolders
    host: ThisHost
    judge: LeaseJudge
    kept: KeptLeases
    bookings: Callable[[], Bookings]

    def lease(self, holder: LeaseHolder) -> Lease:
        """Return the lease of a holder, which GPUs are to be put into."""
        uid, engine = holder.uid, holder.engine
        return Lease(
            gpu="",
            instance=self.owner.instance,
            uid=uid if uid is not None and os.geteuid() == 0 else os.geteuid(),  # files speak for their owner
            attempt=holder.attempt,
            label=plain(holder.label, LABEL_LIMIT)[:LABEL_LIMIT],
            owner=self.host.this_process(),
            boot_id=self.host.boot_id,
            taken_at=self.host.now(),
            engine=(self.owner.engine if engine is None else engine)[:WORD_LIMIT],
            container=holder.container,
            until=holder.until,
            since=time.time(),
            share_bytes=holder.share_bytes,
        )

    def is_over(self, found: UserFile, facts: DriverFacts | None = None) -> bool:
        """Tell whether nothing in one of our files holds a GPU, nor will in looks that are older than ``facts``."""
        judged = self.judge.judge(found, {})
        if judged is None:
            return True
        end = judged.claim.released_at
        draining = judged.claim.standing is CardState.DRAINING
        return draining and facts is not None and end is not None and end < facts.seen_at

    def idle_stand_ins(self, own_files: Iterable[UserFile]) -> Mapping[str, Lease]:
        """Return our stand-ins, by the name of their files, that stand in for nobody any more."""

        def holds(found: UserFile) -> bool:
            judged = self.judge.judge(found, {})
            return judged is not None and judged.claim.standing is not CardState.DRAINING

        return idle_stand_ins(own_files, holds, self.host.now())


def unseen(uuid: str) -> Device:
    """Return a device of which only files tell."""
    return Device(Gpu(uuid, -1, "", None, GpuState.LOST))


def unwritable(error: OSError) -> Unavailable:
    """Return what is told of a disk that takes no lease."""
    text = f"The lease of a GPU could not be written: {error.strerror or error}."
    return Unavailable(text, "GPUs stay taken until it can. Look at the lease folder's rights and free space.")
