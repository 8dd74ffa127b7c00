"""The status as Prometheus text (format 0.0.4): OpenTelemetry's names, and DCGM's beside them in DCGM's units. Pure.

What begins with ``hw_`` has the labels ``hw_id`` and ``hw_type`` of OpenTelemetry's page on hardware, and of its forms
those that are counters with an attribute (``hw.errors``, ``hw.gpu.io``) stand beside ours. A value that is missing is
left out. Names come from the table of metrics, label values from outside: those are cut, made plain and escaped. Parts
of a device have names of their own, so that a sum over a name counts nothing twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuProcess
from mlops_desk.machine.records.metric import Metric, Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.metrics.gpu import GPU, LINK, MIG
from mlops_desk.machine.telemetry.metrics.host import CORE, DISK, FILESYSTEM, HOST, NETWORK, SENSOR
from mlops_desk.machine.telemetry.metrics.table import TABLE
from mlops_desk.machine.telemetry.prometheus import dcgm
from mlops_desk.machine.telemetry.prometheus.counters import Tallies

# Who uses each GPU, as numbers with labels for job, user and container: of a few, the rest together. Pure.
# No pid is a label: each process would leave series behind for ever. Processes that are alike add up, and beyond the
# largest of a GPU they are "other". Prometheus keeps the label ``job`` for itself, so the job is ``job_name``.
MOST_USERS = 32
"""Users of one GPU that are told apart."""

OTHER = ("other", "other", "other")
Who = tuple[str, str, str]
"""Job, user and container; "" for none."""


@dataclass(frozen=True, slots=True)
class UserNumber:
    """A number of a user of a GPU."""

    name: str
    unit: str
    help: str
    who: Who
    value: float


_NUMBERS = (
    ("mlops_desk_gpu_process_memory_bytes", "bytes", "GPU memory held.", "gpu_memory_bytes"),
    ("mlops_desk_gpu_process_sm_ratio", "ratio", "Share of the GPU's time.", "sm_ratio"),
    ("mlops_desk_gpu_process_memory_bandwidth_ratio", "ratio", "Share of the GPU memory's bandwidth.",
     "memory_bandwidth_ratio"),
    ("mlops_desk_gpu_process_encoder_ratio", "ratio", "Share of the video encoder's time.", "encoder_ratio"),
    ("mlops_desk_gpu_process_decoder_ratio", "ratio", "Share of the video decoder's time.", "decoder_ratio"),
    ("mlops_desk_gpu_process_cpu_ratio", "ratio", "Processor time on the host, in cores.", "cpu_ratio"),
    ("mlops_desk_gpu_process_host_memory_bytes", "bytes", "Memory held on the host.", "host_memory_bytes"),
)  # fmt: skip


def numbers(gpu: Gpu) -> Iterator[UserNumber]:
    """Yield what each user takes of a GPU, and how many processes those are."""
    users = _users(gpu.processes)
    for who, processes in users.items():
        count = float(len(processes))
        yield UserNumber(
            "mlops_desk_gpu_processes", "", "Processes on the GPU, by job, user and container.", who, count
        )
        for name, unit, text, attribute in _NUMBERS:
            values = [value for each in processes if (value := getattr(each, attribute)) is not None]
            if values:
                yield UserNumber(name, unit, f"{text} By job, user and container.", who, float(sum(values)))


def _users(processes: Sequence[GpuProcess]) -> dict[Who, list[GpuProcess]]:
    """Return the processes of each user, those with most memory first; beyond a number all are others'."""
    users: dict[Who, list[GpuProcess]] = {}
    for process in sorted(processes, key=lambda each: -(each.gpu_memory_bytes or 0)):
        who = (process.job or "", process.user or "", process.container or "")
        if who not in users and len(users) >= MOST_USERS:
            who = OTHER
        users.setdefault(who, []).append(process)
    return users


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNITS = {
    "By": "bytes", "By/s": "bytes_per_second", "W": "watts", "J": "joules", "Cel": "celsius", "Hz": "hertz",
    "s": "seconds", "1/s": "per_second",
}  # fmt: skip
_LABEL_LIMIT = 250  # chosen: some stores refuse labels that are much longer
_HARDWARE = {
    GPU: "gpu", MIG: "gpu", LINK: "gpu", DISK: "physical_disk", NETWORK: "network", SENSOR: "temperature",
}  # fmt: skip
"""OpenTelemetry's ``hw.type`` of our classes of devices."""

_ERRORS = {"corrected": "hw.errors.ecc.volatile.corrected", "uncorrected": "hw.errors.ecc.volatile.uncorrected"}
_DIRECTIONS = {"receive": "hw.gpu.io.receive", "transmit": "hw.gpu.io.transmit"}
_PARTS = {
    LINK: ("hw.gpu.nvlink.", "hw.gpu.nvlink.link.", "one link"),
    MIG: ("hw.gpu.", "hw.gpu.mig.", "one MIG instance"),
    CORE: ("system.cpu.", "system.cpu.core.", "one core"),
}
"""What the names of a whole and of its parts begin with, and what a part is called."""

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Family:
    """One name with its samples, which must stand together and each have labels of its own."""

    kind: str
    unit: str
    help: str
    samples: dict[Labels, float] = field(default_factory=dict)


def render(status: Status, tallies: Tallies | None = None, now: float = 0.0) -> str:
    """Return the whole page; ``tallies`` are what was counted so far, ``now`` is their clock (monotonic)."""
    families: dict[str, _Family] = {}
    host = ("hostname", _label(status.host.name))
    for device_class, labels, metrics in _devices(status, host):
        typed = (*labels, ("hw_id", _hardware_id(labels)), ("hw_type", _HARDWARE.get(device_class, "")))
        for name, reading in metrics.items():
            metric = TABLE.get((device_class, name))
            if metric is None or reading.value is None:
                continue
            told = typed if name.startswith("hw.") and device_class in _HARDWARE else labels
            _add(families, family_name(metric), metric.kind, _unit(metric), _help(metric), told, reading.value)
    for gpu in status.gpus:
        _add_forms(families, gpu, host, tallies)
        _add_dcgm(families, gpu, status, (tallies, now))
        _add_users(families, gpu, host)
    _add_agent(families, status, host)
    return "".join(_lines(families))


def family_name(metric: Metric) -> str:
    """Return a metric's name in Prometheus: underscores, the unit, and ``total`` for a counter."""
    whole, part, _ = _PARTS.get(metric.device, ("", "", ""))
    base, unit = f"{part}{metric.name.removeprefix(whole)}".replace(".", "_"), _unit(metric)
    if unit and not base.endswith(f"_{unit}"):
        base = f"{base}_{unit}"
    return f"{base}_total" if metric.kind == "counter" else base


def _help(metric: Metric) -> str:
    """Return a metric's help; that of a part tells where the whole is."""
    whole = TABLE.get((HOST if metric.device == CORE else GPU, metric.name))
    if metric.device not in _PARTS or whole is None:
        return metric.help
    return f"{metric.help} Of {_PARTS[metric.device][2]}; the whole is {family_name(whole)}."


def _unit(metric: Metric) -> str:
    if metric.unit == "1":
        return "ratio" if metric.high <= 1.0 and metric.resolution < 1.0 else ""
    return _UNITS.get(metric.unit, "")


def _devices(status: Status, host: tuple[str, str]) -> Iterator[tuple[str, Labels, Mapping[str, Reading]]]:
    labels: Labels
    for gpu in status.gpus:
        labels = (("uuid", _label(gpu.uuid)), ("gpu", str(gpu.index)), ("device", f"nvidia{gpu.index}"), host)
        yield GPU, labels, gpu.metrics
        for link in gpu.links:
            yield LINK, (*labels, ("link", str(link.number))), link.metrics
        for part in gpu.mig:
            yield MIG, (*labels, ("mig", _label(part.fingerprint)), ("profile", _label(part.profile))), part.metrics
    yield HOST, (("device", HOST), host), status.host.metrics
    for device_class, devices in (
        (CORE, status.host.cores),
        (SENSOR, status.host.sensors),
        (DISK, status.disks),
        (NETWORK, status.networks),
    ):
        for device in devices:
            yield device_class, (("device", _label(device.name)), host), device.metrics
    for mounted in status.filesystems:
        labels = (("device", _label(mounted.mount)), ("type", _label(mounted.kind)), host)
        yield FILESYSTEM, labels, mounted.metrics


def _hardware_id(labels: Labels) -> str:
    """Return a name of the device that no other of this machine has."""
    named = dict(labels)
    if "mig" in named:
        return named["mig"]
    return "/link-".join(part for part in (named.get("uuid"), named.get("link")) if part) or named["device"]


def _add_forms(families: dict[str, _Family], gpu: Gpu, host: tuple[str, str], tallies: Tallies | None) -> None:
    """Add what OpenTelemetry's page on hardware has in a form of its own: one name, told apart by an attribute."""
    labels: Labels = (("hw_id", _label(gpu.uuid)), ("hw_type", "gpu"), ("gpu", str(gpu.index)), host)
    for kind, name in _ERRORS.items():
        reading = gpu.metrics.get(name)
        if reading is not None and reading.value is not None:
            text = "Errors of the GPU's memory since the driver was loaded."
            _add(families, "hw_errors_total", "counter", "", text, (*labels, ("error_type", kind)), reading.value)
    for direction, name in _DIRECTIONS.items():
        total = tallies.total(gpu.uuid, name) if tallies is not None else None
        if total is not None:
            text = "Bytes over PCIe, added up from what was measured each second since the endpoint is on."
            told = (*labels, ("network_io_direction", direction))
            _add(families, "hw_gpu_io_bytes_total", "counter", "bytes", text, told, total)


def _add_dcgm(families: dict[str, _Family], gpu: Gpu, status: Status, counted: tuple[Tallies | None, float]) -> None:
    hostname = _label(status.host.name)
    labels: Labels = (
        ("gpu", str(gpu.index)),
        ("UUID", _label(gpu.uuid)),
        ("pci_bus_id", _label(gpu.pci_bus_id or "")),
        ("device", f"nvidia{gpu.index}"),
        ("modelName", _label(gpu.name)),
        ("Hostname", hostname),
        ("hostname", hostname),
    )
    for number in dcgm.numbers(gpu, *counted):
        more = tuple((key, _label(value)) for key, value in number.labels)
        _add(families, number.name, number.kind, "", number.help, (*labels, *more), number.value)


def _add_users(families: dict[str, _Family], gpu: Gpu, host: tuple[str, str]) -> None:
    labels: Labels = (("uuid", _label(gpu.uuid)), ("gpu", str(gpu.index)))
    for number in numbers(gpu):
        who = zip(("job_name", "user", "container"), map(_label, number.who), strict=True)
        _add(families, number.name, "gauge", number.unit, number.help, (*labels, *who, host), number.value)
    if gpu.held_by_nobody_bytes is not None:
        text = "GPU memory in use that no process is seen to hold."
        told = (*labels, host)
        _add(families, "mlops_desk_gpu_unclaimed_bytes", "gauge", "bytes", text, told, float(gpu.held_by_nobody_bytes))


def _add_agent(families: dict[str, _Family], status: Status, host: tuple[str, str]) -> None:
    agent = status.agent
    told: Iterable[tuple[str, str, str, Labels, float | None]] = (
        ("mlops_desk_info", "", "The agent that answers.", (("version", _label(agent.version)),), 1.0),
        ("mlops_desk_sampled_seconds", "seconds", "Unix time of the newest sample.", (), status.sampled_at),
        ("mlops_desk_cpu_ratio", "ratio", "What watching costs, of one core.", (), agent.cost.cpu_ratio),
        ("mlops_desk_memory_bytes", "bytes", "Memory of agent and collector.", (), agent.cost.memory_bytes),
        ("mlops_desk_driver_ratio", "ratio", "Share of time spent inside the driver.", (),
         agent.cost.driver_seconds_per_second),
    )  # fmt: skip
    for name, unit, text, labels, value in told:
        if value is not None:
            _add(families, name, "gauge", unit, text, (*labels, host), float(value))
    for gpu in status.gpus:
        labels = (("uuid", _label(gpu.uuid)), ("gpu", str(gpu.index)), ("state", gpu.state.value), host)
        _add(families, "mlops_desk_gpu_state", "gauge", "", "1 for the state that a GPU is in.", labels, 1.0)


def _add(
    families: dict[str, _Family], name: str, kind: str, unit: str, text: str, labels: Labels, value: float
) -> None:
    family = families.get(name)
    if family is None:
        family = families[name] = _Family("counter" if kind == "counter" else "gauge", unit, text)
    family.samples.setdefault(labels, value)  # names that are cut, or in use twice, may be alike


def _lines(families: Mapping[str, _Family]) -> Iterator[str]:
    for name, family in families.items():
        text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        yield f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n"
        if family.unit:
            yield f"# UNIT {name} {family.unit}\n"
        for labels, value in family.samples.items():
            shown = ",".join(f'{key}="{text}"' for key, text in labels)
            yield f"{name}{{{shown}}} {value!r}\n"


def _label(text: str) -> str:
    """Return text from outside as a label's value."""
    return plain(text, _LABEL_LIMIT).replace("\\", "\\\\").replace('"', '\\"')
