"""Why is my GPU idle? From means over the last minute to one verdict for each GPU that somebody uses. Pure.

The thresholds are rules of thumb, written down here and nothing more: a verdict names what was measured, and where
nothing fits it says that the cause is unknown, and what was looked at. Missing numbers are never taken for good ones,
and what the whole machine does is never laid at the door of who holds a GPU.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from mlops_desk.kit.base.text import amount, percent, plain
from mlops_desk.machine.records.gpu import Gpu, GpuState, Slowdown, slowdowns_of
from mlops_desk.machine.records.status import Diagnosis, Evidence, Status
from mlops_desk.machine.telemetry.verdicts.host_waits import (
    cores_of,
    load_of,
    of_everybody,
    waits_for_disks,
    waits_for_others,
    works_all_it_can,
)
from mlops_desk.machine.telemetry.verdicts.link_load import LinkLoad, nvlink_load, pcie_load

# What was looked at and found innocent where a GPU waits and nothing explains it, each with its number. Pure.
Means = Mapping[tuple[str, str], float]

_HELD_BACK = (
    "hw.gpu.throttle.thermal",
    "hw.gpu.throttle.power_brake",
    "hw.gpu.throttle.hardware_slowdown",
    "hw.gpu.throttle.reliability",
    "hw.gpu.throttle.power_cap",
)


def looked_at(gpu: Gpu, status: Status, means: Means) -> str:
    """Return one sentence with what was measured, and one with what could not be."""
    found: dict[str, str | None] = {
        "throttling": _throttling(gpu, means),
        "PCIe": _link(pcie_load(gpu, means)),
        "NVLink": _link(nvlink_load(gpu, means)),
        **_own(gpu, status),
        "network": _network_exclusions(status, means),
    }
    if not gpu.links:
        del found["NVLink"]  # what is not there needs no number
    known = [f"{name} ({number})" for name, number in found.items() if number is not None]
    lacking = [name for name, number in found.items() if number is None]
    sentences = [f"Looked at: {', '.join(known)}."] if known else []
    return " ".join([*sentences, *([f"Not known: {', '.join(lacking)}."] if lacking else [])])


def _throttling(gpu: Gpu, means: Means) -> str | None:
    shares = [means[gpu.uuid, metric] for metric in _HELD_BACK if (gpu.uuid, metric) in means]
    return f"clocks held down {percent(max(shares))} of the time" if shares else None


def _link(load: LinkLoad | None) -> str | None:
    share = None if load is None else load.share
    return None if share is None else f"{percent(share)} of what the link carries"


def _own(gpu: Gpu, status: Status) -> dict[str, str | None]:
    """Return what the holder's own processes use of the host and wait for."""
    load, boxed = load_of(gpu)
    own = None if load is None else cores_of(load, boxed=boxed)
    waits = None if load is None else load.cpu_pressure_ratio
    cores = f" of {len(status.host.cores)}" if status.host.cores else ""
    used = None if own is None else f"its processes use {own:.1f}{cores} cores"
    if used is not None and waits is not None:
        used = f"{used} and wait for one {percent(waits)} of the time"
    disks = None if load is None else load.io_pressure_ratio
    return {
        "processors": used,
        "disks": None if disks is None else f"its processes wait for them {percent(disks)} of the time",
    }


def _network_exclusions(status: Status, means: Means) -> str | None:
    fullest = [
        means[card.name, "hw.network.bandwidth.utilization"]
        for card in status.networks
        if (card.name, "hw.network.bandwidth.utilization") in means
    ]
    return f"the fullest link carries {percent(max(fullest))}" if fullest else None


# Links of a GPU that are narrower or fewer than they should be: the verdict where nothing else explains its pauses.
# Pure. A link that is narrow by the slot's design looks the same as a bad seat, so this is said last, and what is
# said is what was measured.
WORKS = 0.10
"""From this utilisation on a link is awake: an idle one saves power with fewer lanes and a lower generation."""

NARROW = 0.5
"""Half of the lanes or fewer."""


_WIDTH, _UP = "hw.gpu.pcie.width", "hw.gpu.nvlink.up"


def judge(gpu: Gpu, peers: Sequence[Gpu], use: float, means: Means) -> Diagnosis | None:
    """Return the verdict on a GPU that waits; ``peers`` are the others of its job. None: its links explain nothing."""
    if use < WORKS:
        return None
    evidence = [*_pcie(gpu, means), *(_nvlink(gpu, peers) if peers else ())]
    if not evidence:
        return None
    advice = "Check the board's seat, risers, bridges and switches, and the slot's settings in the firmware."
    found = "; ".join(each.text for each in evidence)
    text = f"{found[0].upper()}{found[1:]}, and nothing else that was measured explains its pauses. {advice}"
    return Diagnosis(gpu.uuid, "link", "Waits, and a link of it is slow", text, tuple(evidence))


def _pcie(gpu: Gpu, means: Means) -> list[Evidence]:
    width, limit = means.get((gpu.uuid, _WIDTH)), _value(gpu, f"{_WIDTH}.limit")
    if not width or not limit or width > NARROW * limit:
        return []
    return [Evidence(f"its PCIe link has {width:.0f} of {limit:.0f} lanes", gpu.uuid, _WIDTH)]


def _nvlink(gpu: Gpu, peers: Sequence[Gpu]) -> list[Evidence]:
    up, limit = _value(gpu, _UP), _value(gpu, "hw.gpu.nvlink.limit")
    linked = bool(up) or any(_value(peer, _UP) for peer in peers if peer.name == gpu.name)
    if up is None or not limit or up >= limit or not linked:
        return []
    return [Evidence(f"{limit - up:.0f} of its {limit:.0f} NVLinks are down", gpu.uuid, _UP)]


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value


"""The mean of each curve (device, metric) over the last minute; what is missing is not in it."""

BUSY = 0.85
"""From this utilisation on a GPU has enough to do."""

IDLE = 0.02  # chosen: what a desktop, or a look at the GPU, makes of a GPU that nobody uses
IDLE_SECONDS = 600.0
"""A GPU that has computed nothing for so long is idle, whatever else goes on; before, it may be loading data."""

SMALL_SM = 0.35
"""Below this SM activity a GPU that is busy by the clock uses little of itself."""

THROTTLED = 0.10  # chosen: held back for 6 s of the minute
POWER_CAPPED = 0.50  # chosen: a board at its own limit is capped now and then by design, so it takes half of the time
LOWERED_LIMIT = 0.95  # of the default limit: what is lower was set by somebody, not rounded by the driver
MOUNT_LATENCY = 0.5  # seconds; chosen: a file server that is well answers a look in milliseconds
LINK_FULL = 0.85  # of the nominal rate; chosen: headers and gaps between packets take the rest
PACKET_ERRORS = 1.0  # a second; chosen: links that are well have next to none
STRAGGLING = 0.25
"""A GPU whose utilisation lies so far from the median of the others of its job is out of step."""

_THROTTLES = (
    ("hw.gpu.throttle.thermal", "heat"),
    ("hw.gpu.throttle.power_brake", "the power supply"),
    ("hw.gpu.throttle.hardware_slowdown", "the hardware"),
    ("hw.gpu.throttle.reliability", "a reliability limit"),
)
_REASONS = {Slowdown.HEAT: "heat", Slowdown.POWER_SUPPLY: "the power supply", Slowdown.HARDWARE: "the hardware"}


@dataclass(frozen=True, slots=True)
class Used:
    """A GPU that somebody uses, and how hard it worked; ``group`` names what its GPUs have in common."""

    gpu: Gpu
    label: str
    group: str
    utilization: float | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Since when (Unix time) GPUs (UUID) have computed nothing, and what time it is."""

    since: Mapping[str, float]
    now: float


def diagnose(status: Status, means: Means, idle: Idle) -> tuple[Diagnosis, ...]:
    """Return a verdict for each GPU in use."""
    used = [found for gpu in status.gpus if (found := _used(gpu, means)) is not None]
    groups: dict[str, list[Used]] = {}
    for item in used:
        groups.setdefault(item.group, []).append(item)
    return tuple(replace(_verdict(item, groups[item.group], status, means, idle), label=item.label) for item in used)


def _used(gpu: Gpu, means: Means) -> Used | None:
    if gpu.state is not GpuState.OK:
        return None
    computing = [process for process in gpu.processes if process.kind != "graphics"]
    lease = gpu.lease.label if gpu.lease is not None and gpu.lease.state == "leased" else None
    largest = max(computing, key=lambda process: process.gpu_memory_bytes or 0, default=None)
    if lease is None and largest is None:
        return None
    container = largest.container if largest is not None else None
    name = lease or container or (largest.command if largest is not None else None) or "a process"
    attempt = gpu.lease.attempt if gpu.lease is not None else None
    group = attempt or container or gpu.uuid
    return Used(gpu, plain(name, 80), group, means.get((gpu.uuid, "hw.gpu.utilization")))


def _verdict(item: Used, group: Sequence[Used], status: Status, means: Means, idle: Idle) -> Diagnosis:
    use = item.utilization
    if use is None:
        text = "The driver does not say how busy it is, so nothing can be concluded."
        return Diagnosis(item.gpu.uuid, "unknown", "Nobody knows how busy it is", text)
    if use < IDLE and _held_idle(item, idle):
        return _idle(item, idle)
    found = _throttled(item, means) or _straggler(item, group)
    if found is not None:
        return found
    if use >= BUSY:
        active = means.get((item.gpu.uuid, "hw.gpu.activity.sm"))
        # A kernel that only moves data counts as busy, too.
        full = _full_link(item, means) if active is None or active < SMALL_SM else None
        return full or _busy(item, use, means)
    peers = [each.gpu for each in group if each is not item]
    return (
        _waits(item, use, status, means)
        or judge(item.gpu, peers, use, means)
        or _idle_or_unknown(item, use, status, means, idle)
    )


def _waits(item: Used, use: float, status: Status, means: Means) -> Diagnosis | None:
    full = _full_link(item, means)
    if full is not None:
        return full
    looks = {
        "storage": waits_for_disks(item.gpu, status, means),
        "network": _network(status, means),
        "processors": waits_for_others(item.gpu, status, means),
        "loader": works_all_it_can(item.gpu, status, means),
    }
    return next((_waiting(item, use, cause, found) for cause, found in looks.items() if found), None)


def _full_link(item: Used, means: Means) -> Diagnosis | None:
    """Return that it waits for a link that is full."""
    for cause, load in (("pcie", pcie_load(item.gpu, means)), ("nvlink", nvlink_load(item.gpu, means))):
        if load is not None and load.is_full:
            return _waiting(item, item.utilization or 0.0, cause, [load.evidence(item.gpu)])
    return None


def _idle_or_unknown(item: Used, use: float, status: Status, means: Means, idle: Idle) -> Diagnosis:
    if use < IDLE:
        return _idle(item, idle)
    text = (
        f"It computes {percent(use)} of the time, and nothing that was looked at explains the rest. "
        f"{looked_at(item.gpu, status, means)} "
        "Often the program itself pauses between steps: evaluation, checkpoints, Python between small kernels."
    )
    load, _ = load_of(item.gpu)
    beside = of_everybody(status, means) if load is None else []
    return Diagnosis(item.gpu.uuid, "unknown", "Waits, and the cause is not visible", text, (_use(item, use), *beside))


def _held_idle(item: Used, idle: Idle) -> bool:
    """Tell whether it has been idle for so long that no slow pipeline is behind it."""
    since = idle.since.get(item.gpu.uuid)
    return since is not None and idle.now - since >= IDLE_SECONDS


def _idle(item: Used, idle: Idle) -> Diagnosis:
    since = idle.since.get(item.gpu.uuid)
    evidence = [_use(item, item.utilization or 0.0)]
    held = item.gpu.metrics.get("hw.gpu.memory.usage")
    if held is not None and held.value is not None:
        text = f"{amount(held.value / (1 << 30), 'GiB', 1)} of its memory are held"
        evidence.append(Evidence(text, item.gpu.uuid, "hw.gpu.memory.usage"))
    clock = "" if since is None else f" since {_clock(since)}"
    text = f"Nobody has computed on it{clock}, but it is not free: {item.label} holds it."
    return Diagnosis(item.gpu.uuid, "idle", "Held, and idle", text, tuple(evidence))


def _clock(at: float) -> str:
    return time.strftime("%a %H:%M", time.localtime(at))


def _throttled(item: Used, means: Means) -> Diagnosis | None:
    uuid = item.gpu.uuid
    shares = [(means.get((uuid, metric), 0.0), metric, cause) for metric, cause in _THROTTLES]
    share, metric, cause = max(shares)
    if share >= THROTTLED:
        text = f"{cause} holds its clocks down {percent(share)} of the time"
        return _slowed(item, cause, Evidence(text, uuid, metric))
    if not any((uuid, metric) in means for metric, _ in _THROTTLES):
        told = slowdowns_of(item.gpu)
        if told:
            text = f"the driver gives as reason: {', '.join(item.gpu.throttle_reasons)}"
            cause = next(words for reason, words in _REASONS.items() if reason in told)
            return _slowed(item, cause, Evidence(text, uuid, "hw.gpu.clock.sm"))
    capped = means.get((uuid, "hw.gpu.throttle.power_cap"), 0.0)
    limit, default = means.get((uuid, "hw.power.limit")), means.get((uuid, "hw.power.limit.default"))
    if capped >= POWER_CAPPED and limit is not None and default is not None and limit < LOWERED_LIMIT * default:
        limits = f"{amount(limit, 'W')} (built for {amount(default, 'W')})"
        text = f"its power limit of {limits} holds it back {percent(capped)} of the time"
        return _slowed(item, "a lowered power limit", Evidence(text, uuid, "hw.gpu.throttle.power_cap"))
    return None


def _slowed(item: Used, cause: str, evidence: Evidence) -> Diagnosis:
    text = f"{evidence.text[0].upper()}{evidence.text[1:]}."
    found = (evidence, *([_use(item, item.utilization)] if item.utilization is not None else []))
    return Diagnosis(item.gpu.uuid, "throttled", f"Slowed down by {cause}", text, found)


def _straggler(item: Used, group: Sequence[Used]) -> Diagnosis | None:
    """Compare a GPU with the others of its job: the only slow one is waited for, or the others wait for it."""
    others = [each.utilization for each in group if each is not item and each.utilization is not None]
    use = item.utilization
    if len(others) < 1 or use is None:
        return None
    middle = median(others)
    spread = max(others) - min(others)
    name = f"GPU {item.gpu.index}"
    evidence = _group_evidence(item, group)
    if use <= middle - STRAGGLING and spread < STRAGGLING:
        rest = f"the others of {item.label} {percent(middle)}: the work is uneven."
        text = f"{name} computes {percent(use)} of the time, {rest}"
        return Diagnosis(item.gpu.uuid, "peers", "Has less to do than its peers", text, evidence)
    slow = [each for each in group if each is not item and (each.utilization or 0.0) >= use + STRAGGLING]
    if use < BUSY and len(slow) == 1 and len(others) > 1:
        lagging = slow[0]
        text = (
            f"All GPUs of {item.label} but GPU {lagging.gpu.index} wait part of the time; that one is busy "
            f"{percent(lagging.utilization or 0.0)}: most likely the others wait for it at each step."
        )
        return Diagnosis(item.gpu.uuid, "peers", f"Waits for GPU {lagging.gpu.index}", text, evidence)
    return None


def _group_evidence(item: Used, group: Sequence[Used]) -> tuple[Evidence, ...]:
    ordered = [item, *(each for each in group if each is not item)]
    return tuple(_use(each, each.utilization) for each in ordered[:8] if each.utilization is not None)


def _busy(item: Used, use: float, means: Means) -> Diagnosis:
    uuid = item.gpu.uuid
    evidence = [_use(item, use)]
    active = means.get((uuid, "hw.gpu.activity.sm"))
    if active is None:
        text = "A kernel runs nearly all the time. How much of the GPU it uses, this GPU does not say."
        return Diagnosis(uuid, "busy", "Busy", text, tuple(evidence))
    evidence.append(Evidence(f"{percent(active)} of its multiprocessors have work", uuid, "hw.gpu.activity.sm"))
    for metric, words in (
        ("hw.gpu.activity.occupancy", "warps fill {} of what they hold"),
        ("hw.gpu.activity.tensor", "tensor cores work {} of the time"),
    ):
        value = means.get((uuid, metric))
        if value is not None:
            evidence.append(Evidence(words.format(percent(value)), uuid, metric))
    if active < SMALL_SM:
        text = (
            f"A kernel runs {percent(use)} of the time but keeps only {percent(active)} of the multiprocessors busy: "
            "larger batches, fused kernels or CUDA graphs would use the rest."
        )
        return Diagnosis(uuid, "small_batches", "Busy with kernels that are too small", text, tuple(evidence))
    return Diagnosis(uuid, "busy", "Busy", f"It works {percent(use)} of the time.", tuple(evidence))


def _network(status: Status, means: Means) -> list[Evidence]:
    evidence = []
    for mounted in status.filesystems:
        latency = means.get((mounted.mount, "system.filesystem.latency"))
        if latency is not None and latency >= MOUNT_LATENCY:
            text = f"{plain(mounted.mount, 60)} takes {amount(latency, 's', 1)} to answer"
            evidence.append(Evidence(text, mounted.mount, "system.filesystem.latency"))
    for network in status.networks:
        name = plain(network.name, 40)
        full = means.get((network.name, "hw.network.bandwidth.utilization"))
        if full is not None and full >= LINK_FULL:
            text = f"{name} is {percent(full)} full"
            evidence.append(Evidence(text, network.name, "hw.network.bandwidth.utilization"))
        errors = means.get((network.name, "system.network.receive.errors"), 0.0)
        errors -= means.get((network.name, "system.network.receive.drops"), 0.0)
        if errors >= PACKET_ERRORS:
            text = f"{name} receives {errors:.0f} damaged packets a second"
            evidence.append(Evidence(text, network.name, "system.network.receive.errors"))
    return evidence


_WAITS = {
    "storage": ("Waits for storage", "Disks can't keep up: cache the data, use fewer and larger files, or prefetch."),
    "network": ("Waits for the network", "The network can't keep up: copy the data to a local disk first."),
    "loader": ("Waits for its data loader", "Use more loader workers, decode on the GPU, or prepare the data once."),
    "processors": (
        "Waits for processors that others use",
        "More loader workers do not help: run it when they are free, or give each job its share of the cores (cpus).",
    ),
    "pcie": (
        "Waits for its PCIe link",
        "Keep data on the GPU, move it in smaller types, pin memory and overlap copies, or decode on the GPU.",
    ),
    "nvlink": (
        "Waits for its NVLinks",
        "Exchange less between GPUs: larger batches, gradients accumulated or in smaller types, or fewer GPUs a model.",
    ),
}


def _waiting(item: Used, use: float, cause: str, evidence: Iterable[Evidence]) -> Diagnosis:
    title, advice = _WAITS[cause]
    found = tuple(evidence)
    text = f"It computes {percent(use)} of the time, and {found[0].text}. {advice}"
    return Diagnosis(item.gpu.uuid, cause, title, text, (*found, _use(item, use)))


def _use(item: Used, use: float | None) -> Evidence:
    text = f"GPU {item.gpu.index} computes {percent(use or 0.0)} of the time"
    return Evidence(text, item.gpu.uuid, "hw.gpu.utilization")
