"""The tables of the GPUs page: columns, and how a record becomes its cells."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import alerts, gpus, numbers
from mlops_desk.kit.window.words.numbers import Mark, value_of
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, MigInstance, NvLink
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.records.status import Diagnosis

_LINK_MARKS = {
    "up": Mark("ok", numbers.OK, "up"),
    "down": Mark("warning", numbers.WARNING, "down"),
    "unknown": Mark("unknown", numbers.UNKNOWN, "unknown"),
}
_KINDS = {"compute": "compute", "graphics": "graphics", "mps": "MPS"}


def _number(value: float | None, written: numbers.Written, why: str = "") -> Cell:
    return Cell(written(value), -1.0 if value is None else value, None if value is not None else "muted", why)


def _reading(record: NvLink | MigInstance | Gpu, metric: str, written: numbers.Written) -> Cell:
    reading = record.metrics.get(metric)
    value = value_of(reading)
    return _number(value, written, numbers.why_missing(reading) if value is None else "")


@dataclass(frozen=True, slots=True)
class JudgedGpu:
    """A GPU, and the verdict on it."""

    gpu: Gpu
    verdict: Diagnosis | None


def _state_cell(one: JudgedGpu) -> Cell:
    mark, held_as = gpus.judged_mark(one.gpu, one.verdict), gpus.gpu_mark(one.gpu)
    return Cell(mark.text, mark.word, token=mark.token, tip="" if mark == held_as else held_as.text)


GPUS: tuple[Column[JudgedGpu], ...] = (
    Column(
        "gpu", "GPU",
        lambda one: Cell(f"{one.gpu.index}  {gpus.list_name(one.gpu.name)}", one.gpu.index, tip=one.gpu.name),
        stretch=True,
    ),
    Column("activity", "Activity", lambda one: _reading(one.gpu, "hw.gpu.utilization", numbers.percent), right=True),
    Column("state", "State", _state_cell),
)  # fmt: skip


def _started(process: GpuProcess) -> Cell:
    at = process.started_at
    return Cell(numbers.ago(at), -1.0 if at is None else at, tip=numbers.absolute(at) if at else "")


def _job(process: GpuProcess) -> Cell:
    names = [part for part in (process.job, process.container) if part]
    return Cell(" · ".join(map(plain, names)) or numbers.NOTHING, tip="\n".join(names))


def _kind(process: GpuProcess) -> Cell:
    kind = _KINDS.get(process.kind, plain(process.kind))
    if process.draws and process.kind != "graphics":
        kind = f"{kind} + graphics"
    if process.zombie:
        return Cell(f"{kind}, zombie", None, "warning", _ZOMBIE)
    return Cell(kind)


_ZOMBIE = "It has ended, and its parent has not taken note of that: until then its memory may stay in use."


def _share(
    key: str, title: str, share: Callable[[GpuProcess], float | None], *, hidden: bool = True
) -> Column[GpuProcess]:
    return Column(
        key, title, lambda process: _number(share(process), numbers.percent, "not reported"), right=True, hidden=hidden
    )


def processes(depths: Mapping[int, int]) -> tuple[Column[GpuProcess], ...]:
    """Return the columns of a GPU's processes; ``depths`` tells, by pid, how far below others on it each stands."""

    def command(process: GpuProcess) -> Cell:
        below = depths.get(process.pid, 0)
        text = f"{'  ' * (below - 1)}└ " if below else ""
        return Cell(
            f"{text}{plain(process.command or numbers.NOTHING)}", process.command or "", tip=process.command or ""
        )

    return (
        Column("pid", "pid", lambda process: Cell(str(process.pid), process.pid), right=True),
        Column("user", "User", lambda process: Cell(plain(process.user or numbers.NOTHING))),
        Column("job", "Job and container", _job),
        Column("command", "Command", command, stretch=True),
        Column("memory", "Memory", lambda process: _number(process.gpu_memory_bytes, numbers.size), right=True),
        _share("sm", "SM share", lambda process: process.sm_ratio, hidden=False),
        _share("bandwidth", "Memory bandwidth", lambda process: process.memory_bandwidth_ratio),
        _share("encoder", "Encoder", lambda process: process.encoder_ratio),
        _share("decoder", "Decoder", lambda process: process.decoder_ratio),
        _share("cpu", "CPU", lambda process: process.cpu_ratio, hidden=False),
        Column(
            "host", "Host memory", lambda process: _number(process.host_memory_bytes, numbers.size), right=True,
            hidden=True,
        ),
        Column("started", "Started", _started, right=True),
        Column("kind", "Kind", _kind),
        Column("parent", "Parent", lambda process: Cell(str(process.parent_pid or ""), process.parent_pid or 0),
               right=True, hidden=True),
        Column(
            "slice", "MIG", lambda process: Cell("" if process.gpu_instance is None else str(process.gpu_instance)),
            right=True, hidden=True,
        ),
    )  # fmt: skip


def _link_state(link: NvLink) -> Cell:
    mark = _LINK_MARKS.get(link.state, _LINK_MARKS["unknown"])
    return Cell(mark.text, mark.word, mark.token)


def links(gpus: tuple[Gpu, ...]) -> tuple[Column[NvLink], ...]:
    """Return the columns of a GPU's links; peers are named by their index where they are GPUs of this machine."""
    names = {gpu.uuid: f"GPU {gpu.index}" for gpu in gpus}

    def peer(link: NvLink) -> Cell:
        return Cell(names.get(link.peer or "", plain(link.peer or numbers.NOTHING, 40)), tip=link.peer or "")

    return (
        Column("link", "Link", lambda link: Cell(str(link.number), link.number), right=True),
        Column("state", "State", _link_state),
        Column("version", "Version", lambda link: Cell(plain(link.version or numbers.NOTHING, 20))),
        Column("peer", "Leads to", peer, stretch=True, whole=True),
        Column("in", "In", lambda link: _reading(link, "hw.gpu.nvlink.receive", numbers.byte_rate), right=True),
        Column("out", "Out", lambda link: _reading(link, "hw.gpu.nvlink.transmit", numbers.byte_rate), right=True),
        Column(
            "speed",
            "Speed",
            lambda link: _reading(link, "hw.gpu.nvlink.bandwidth.limit", numbers.byte_rate),
            right=True,
        ),
        _error_column("crc", "CRC errors"),
        _error_column("replay", "Replays"),
        _error_column("recovery", "Retrained"),
    )


def _error_column(kind: str, title: str) -> Column[NvLink]:
    def cell(link: NvLink) -> Cell:
        plainly = _reading(link, f"hw.gpu.nvlink.errors.{kind}", numbers.number)
        return Cell(plainly.text, plainly.sort, "warning" if plainly.sort > 0 else plainly.token, plainly.tip)

    return Column(f"errors.{kind}", title, cell, right=True)


MIG: tuple[Column[MigInstance], ...] = (
    Column("profile", "Profile", lambda part: Cell(plain(part.profile)), stretch=True, whole=True),
    Column(
        "ids", "Instance", lambda part: Cell(
            f"{part.gpu_instance}" + ("" if part.compute_instance is None else f"/{part.compute_instance}"),
            part.gpu_instance, tip="GPU instance / compute instance",
        ),
        right=True,
    ),
    Column("memory", "Memory", lambda part: Cell(
        numbers.size_of(value_of(part.metrics.get("hw.gpu.memory.usage")),
                      value_of(part.metrics.get("hw.gpu.memory.limit"))),
        value_of(part.metrics.get("hw.gpu.memory.usage")) or -1.0), right=True),
    Column("sm", "SM", lambda part: _reading(part, "hw.gpu.activity.sm", numbers.percent), right=True),
    Column("tensor", "Tensor", lambda part: _reading(part, "hw.gpu.activity.tensor", numbers.percent), right=True),
    Column("uuid", "UUID", lambda part: Cell(plain(part.uuid or numbers.NOTHING)), fixed=True),
)  # fmt: skip


def _level(incident: Incident) -> Cell:
    mark = alerts.incident_mark(incident)
    return Cell(mark.text, alerts.RANK.get(incident.level, 0), mark.token)


INCIDENTS: tuple[Column[Incident], ...] = (
    Column("when", "When", lambda event: Cell(numbers.ago(event.at), -event.at, tip=numbers.absolute(event.at))),
    Column("level", "Level", _level),
    Column("what", "What", lambda event: Cell(plain(event.title, 200), tip=event.text), stretch=True),
    Column("count", "Times", lambda event: Cell(f"{event.count:,}", event.count), right=True),
)


def topology(gpus: tuple[Gpu, ...]) -> tuple[Column[Gpu], ...]:
    """Return one column for each GPU, and where each hangs on the host."""

    def path(peer: Gpu) -> Column[Gpu]:
        def cell(gpu: Gpu) -> Cell:
            if gpu.uuid == peer.uuid:
                return Cell("·", "", "muted", "itself")
            way = gpu.peers.get(peer.uuid) or numbers.NOTHING
            return Cell(plain(way, 8), way, tip=_path_told(way))

        return Column(peer.uuid, str(peer.index), cell)

    return (
        Column("gpu", "GPU", lambda gpu: Cell(f"GPU {gpu.index}", gpu.index, tip=gpu.name), stretch=True, whole=True),
        *(path(peer) for peer in gpus),
        Column("cpus", "CPUs", lambda gpu: Cell(plain(gpu.cpu_affinity or numbers.NOTHING, 40))),
        Column("numa", "NUMA", lambda gpu: Cell(numbers.NOTHING if gpu.numa_node is None else str(gpu.numa_node))),
    )


def _path_told(way: str) -> str:
    if way.startswith("NV") and way[2:].isdigit():
        return f"{way[2:]} NVLinks"
    return _PATHS.get(way, "")


_PATHS = {
    "PIX": "one PCIe switch",
    "PXB": "several PCIe switches, not the host bridge",
    "PHB": "the processor's PCIe host bridge",
    "NODE": "host bridges of one NUMA node",
    "SYS": "the link between processors: the slowest way",
}
