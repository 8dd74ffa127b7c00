"""Small machines and queues to ask the scheduler about."""

from dataclasses import replace

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.queue.queue_order import line_up
from mlops_desk.jobs.queue.view import QueuePolicy, QueueView, RunningJob, Wish

GIB = 1 << 30
NOW = 1_000_000.0
HOUR = 3600.0


def card(index, state=CardState.FREE, gib=80, **more):
    """A card; those of an even index and the next are joined by NVLink."""
    twin = index ^ 1
    peers = more.pop("peers", {f"GPU-{other}": 0 if other == twin else 4 for other in range(8) if other != index})
    defaults = {"memory_bytes": gib * GIB, "room_bytes": gib * GIB, "name": "NVIDIA A100"}
    uuid = more.pop("uuid", f"GPU-{index}")
    return GpuCard(uuid, index, state=state, peers=peers, **{**defaults, **more})


def cards(count, **more):
    return tuple(card(index, **more) for index in range(count))


def wish(name, gpus=1, at=0.0, uid=1, **more):
    need = {key: more.pop(key) for key in ("memory_bytes", "model", "uuids", "exclusive", "share_bytes") if key in more}
    return Wish(name, uid, NOW - 1000 + at, Need(gpus, **need), name=name, user=f"user{uid}", kind=name, **more)


def running(name, *indexes, uid=9, since=NOW - HOUR, **more):
    return RunningJob(name, uid, tuple(f"GPU-{index}" for index in indexes), since, name=name, user=f"u{uid}", **more)


def view(wishes, have=None, held=(), runs=(), slots=4, policy=None, now=NOW, **more):
    have = cards(8) if have is None else have
    have = have and tuple(
        replace(one, state=CardState.LEASED, room_bytes=0)
        if one.state is CardState.FREE and any(one.uuid in job.gpus for job in runs)
        else one
        for one in have
    )
    return QueueView(now, line_up(wishes), tuple(held), tuple(runs), have, slots, policy or QueuePolicy(), **more)


def driverless(wishes):
    return QueueView(NOW, line_up(wishes), cards=None, slots=4)
