"""One GPU in words: its state, the health of its memory and links, and what seldom changes. No Qt here."""

from collections.abc import Iterable

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.widgets.facts import Fact
from mlops_desk.kit.window.words import gpus, numbers
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words.gpus import Upcoming
from mlops_desk.kit.window.words.numbers import value_of
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.hidden_memory import finding
from mlops_desk.machine.records.status import Diagnosis

_NOT_NOW = "nothing at this moment, but within the last minute"
_RECOVERY = {
    0: ("nothing", "text"),
    1: ("reset this GPU", "alert"),
    2: ("restart the machine", "alert"),
    3: ("stop traffic with other GPUs", "alert"),
    4: ("drain, then reset this GPU", "alert"),
    5: ("recover the IMEX domain", "alert"),
    6: ("reset this GPU over the bus", "alert"),
    7: ("restart the whole system", "alert"),
}


def state(
    gpu: Gpu, verdict: Diagnosis | None = None, expected: Upcoming | None = None, *, then: bool = False
) -> list[Fact]:
    """Return what a person looks for first. ``verdict`` is of the minute before, the rest of now, or of ``then``.

    ``expected`` is who gets it next.
    """
    mark, held_as = gpus.judged_mark(gpu, verdict), gpus.gpu_mark(gpu)
    performance = value_of(gpu.metrics.get("hw.gpu.performance_state"))
    # Of one that sleeps or may not be read it is not known: "nothing" would say that all is well.
    held = "nothing" if gpu.state is GpuState.OK else numbers.NOTHING
    if verdict is not None and verdict.cause == "throttled" and gpu.state is GpuState.OK:
        held = "nothing at that moment, but in the minute before" if then else _NOT_NOW
    return [
        Fact("State", mark.text, mark.token),
        *([Fact("Held as", held_as.text, held_as.token)] if mark != held_as else []),
        Fact("Used by", _used_by(gpu)),
        *([_next(expected)] if expected is not None else []),
        Fact("Slowed by", ", ".join(gpu.throttle_reasons) or held),
        _fact(gpu, "Fan", "hw.fan.speed_ratio", numbers.percent),
        Fact("P-state", numbers.NOTHING if performance is None else f"P{performance:.0f}"),
        *([Fact("Note", plain(gpu.note, 200), "muted")] if gpu.note else []),
    ]


def _next(one: Upcoming) -> Fact:
    about = " · ".join((plain(one.job.name, 60), plain(one.job.user, 40), words.about(one.start)))
    tip = f"Expected: {numbers.absolute(one.start)}. The queue decides when; which GPU it will be is likely, not sure."
    return Fact("Next", about, tip=tip)


def _used_by(gpu: Gpu) -> str:
    """Return who uses it; of a GPU that can't be read the note says why, and stands in a line of its own."""
    known = gpus.who(gpu)
    return numbers.NOTHING if not known or (gpu.note and known == plain(gpu.note)) else known


def no_process(gpu: Gpu, *, then: bool = False) -> str:
    """Say why no process is listed, now or at a time of the past."""
    if then:
        return gpu.note or "No process held much of its memory then."
    held = gpu.held_by_nobody_bytes
    if held is not None:
        return f"No process is seen, yet {numbers.size(held)} are in use. {finding(gpu)}"
    if gpu.processes_known:
        return "No process uses this GPU."
    return "The driver does not say which processes use this GPU."


def health(gpu: Gpu) -> list[Fact]:
    """Return errors of memory and what was given up because of them, and what the driver asks for."""
    action = value_of(gpu.metrics.get("hw.gpu.recovery_action"))
    asked, tone = ("not reported", "muted")
    if action is not None:
        asked, tone = _RECOVERY.get(int(action), (f"do what it calls action {action:.0f}", "alert"))
    return [
        Fact("Driver asks to", asked, tone),
        *_errors(gpu, (
            ("ECC corrected", "hw.errors.ecc.volatile.corrected", "text"),
            ("ECC uncorrected", "hw.errors.ecc.volatile.uncorrected", "alert"),
            ("… in its life, corrected", "hw.errors.ecc.aggregate.corrected", "text"),
            ("… in its life, uncorrected", "hw.errors.ecc.aggregate.uncorrected", "alert"),
            ("Rows replaced, corrected", "hw.gpu.row_remap.correctable", "warning"),
            ("Rows replaced, uncorrected", "hw.gpu.row_remap.uncorrectable", "alert"),
            ("Pages retired, corrected", "hw.gpu.retired_pages.single_bit", "warning"),
            ("Pages retired, uncorrected", "hw.gpu.retired_pages.double_bit", "alert"),
        )),
        _flag(gpu, "Replaced at next reset", "hw.gpu.row_remap.pending", "warning"),
        _flag(gpu, "Replacing failed", "hw.gpu.row_remap.failure", "alert"),
    ]  # fmt: skip


def links(gpu: Gpu) -> list[Fact]:
    """Return PCIe now and at most, and the NVLinks as a whole."""
    facts = [
        _pair(gpu, "PCIe generation", "hw.gpu.pcie.generation"),
        _pair(gpu, "PCIe lanes", "hw.gpu.pcie.width"),
        *_errors(gpu, (
            ("PCIe replays", "hw.gpu.pcie.replays", "warning"),
            ("PCIe errors, corrected", "hw.gpu.pcie.errors.correctable", "warning"),
            ("PCIe errors, fatal", "hw.gpu.pcie.errors.fatal", "alert"),
        )),
    ]  # fmt: skip
    total = value_of(gpu.metrics.get("hw.gpu.nvlink.limit"))
    if total or gpu.links:
        up = value_of(gpu.metrics.get("hw.gpu.nvlink.up"))
        counts = f"{numbers.number(up)} of {numbers.number(total)} up"
        facts.append(Fact("NVLinks", counts, "warning" if up is not None and total and up < total else "text"))
    return facts


def device(gpu: Gpu) -> list[Fact]:
    """Return what seldom or never changes."""
    metrics = gpu.metrics
    limits = [value_of(metrics.get(f"hw.power.limit.{name}")) for name in ("min", "default", "max")]
    return [
        Fact("Name", plain(gpu.name, 120)),
        Fact("UUID", gpu.uuid, fixed=True),
        Fact("PCI", gpu.pci_bus_id or numbers.NOTHING, fixed=True),
        Fact("NUMA node", numbers.NOTHING if gpu.numa_node is None else str(gpu.numa_node)),
        Fact("CPUs near it", plain(gpu.cpu_affinity or numbers.NOTHING, 80)),
        Fact("Memory", numbers.size(value_of(metrics.get("hw.gpu.memory.limit")))),
        Fact("… kept by the driver", numbers.size(value_of(metrics.get("hw.gpu.memory.reserved")))),
        Fact("Power limit", " / ".join(numbers.watts(limit) for limit in limits), tip="lowest / as built / highest"),
        _fact(gpu, "Energy since driver", "hw.energy", numbers.joules),
        *(Fact(plain(title, 40), plain(text, 120)) for title, text in gpu.facts.items()),
    ]


def _fact(gpu: Gpu, title: str, metric: str, written: numbers.Written) -> Fact:
    reading = gpu.metrics.get(metric)
    value = value_of(reading)
    return Fact(title, numbers.why_missing(reading), "muted") if value is None else Fact(title, written(value))


def _errors(gpu: Gpu, rows: Iterable[tuple[str, str, str]]) -> Iterable[Fact]:
    for title, metric, tone in rows:
        value = value_of(gpu.metrics.get(metric))
        if value is None:
            yield Fact(title, numbers.why_missing(gpu.metrics.get(metric)), "muted")
        else:
            yield Fact(title, f"{value:,.0f}", tone if value else "text")


def _flag(gpu: Gpu, title: str, metric: str, tone: str) -> Fact:
    value = value_of(gpu.metrics.get(metric))
    if value is None:
        return Fact(title, numbers.why_missing(gpu.metrics.get(metric)), "muted")
    return Fact(title, "yes" if value else "no", tone if value else "text")


def _pair(gpu: Gpu, title: str, metric: str) -> Fact:
    now, most = value_of(gpu.metrics.get(metric)), value_of(gpu.metrics.get(f"{metric}.limit"))
    if now is None:
        return Fact(title, numbers.why_missing(gpu.metrics.get(metric)), "muted")
    # An idle GPU saves power with a slow link; that is no fault. Lanes do not come and go.
    lacking = metric.endswith("width") and most is not None and now < most
    text = f"{now:.0f} of {most:.0f}" if most is not None else f"{now:.0f}"
    return Fact(title, text, "warning" if lacking else "text", tip="now, and what GPU and slot can")
