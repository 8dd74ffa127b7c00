"""The curves of one GPU: which charts there are, and which curves and limits stand in them."""

from collections.abc import Iterable

from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.feed import PROCESS_MEMORY
from mlops_desk.kit.window.charts.stack import ChartStack
from mlops_desk.kit.window.curves.traces import Limit, Trace
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.gpus import memory_name, process_name
from mlops_desk.kit.window.words.numbers import value_of
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.metric import MetricState

PROCESSES_DRAWN = 8  # as many as colours tell apart
# Bytes a second: what a link carries while nobody uses it, a few commands of the driver.
LEAST_TRAFFIC = 1000.0
# Over this the agent judges why a GPU is not busier: what stands beside the verdict is of the same time.
JUDGED_SECONDS = 60.0
_ACTIVITY = (
    ("SM", "hw.gpu.activity.sm"),
    ("occupancy", "hw.gpu.activity.occupancy"),
    ("tensor", "hw.gpu.activity.tensor"),
    ("DRAM", "hw.gpu.activity.dram"),
    ("utilisation", "hw.gpu.utilization"),
)
_UTILIZATION = (("utilisation", "hw.gpu.utilization"), ("memory controller", "hw.gpu.utilization.memory"))
_IDLE = "hw.gpu.throttle.low_utilization"
_CAUSES = (
    ("power limit", "hw.gpu.throttle.power_cap", 4),
    ("heat, driver", "hw.gpu.throttle.thermal_software", 1),
    ("heat, hardware", "hw.gpu.throttle.thermal_hardware", 3),
    ("power brake", "hw.gpu.throttle.power_brake", 6),
    ("group's clock", "hw.gpu.throttle.sync_boost", 5),
    ("board limit", "hw.gpu.throttle.board_limit", 0),
    ("reliability", "hw.gpu.throttle.reliability", 2),
    ("idle", _IDLE, 7),
)
_TRAFFIC = (
    ("PCIe in", "hw.gpu.io.receive"),
    ("PCIe out", "hw.gpu.io.transmit"),
    ("NVLink in", "hw.gpu.nvlink.receive"),
    ("NVLink out", "hw.gpu.nvlink.transmit"),
)
_ABOUT_ACTIVITY = (
    "SM: share of multiprocessors with work. Occupancy: warps on them, of what they hold. Tensor: tensor cores "
    "at work. DRAM: memory bandwidth used. Utilisation: share of time in which any kernel ran, an upper bound.\n"
    "Measured by the GPU from one sample to the next."
)
_ABOUT_UTILIZATION = (
    "Share of time in which any kernel ran, over 1/6 to 1 s as the driver measures it: an upper bound for how busy the "
    "GPU is. This GPU can't tell how many multiprocessors had work."
)


class GpuCurves:
    """The charts of the page in one stack. ``show`` is cheap while nothing but values changed."""

    def __init__(self, context: Context) -> None:
        self.charts = {
            "activity": Chart("Activity", numbers.percent, top=1.0, about=_ABOUT_ACTIVITY),
            "utilization": Chart("Utilisation", numbers.percent, top=1.0, about=_ABOUT_UTILIZATION),
            "memory": Chart("Memory", numbers.size, step=1 << 30, about="Memory in use, in GiB, at each sample."),
            "processes": Chart(
                "Memory by process", numbers.size, step=1 << 30, stacked=True, nothing="no process",
                about="GPU memory that each process holds, above one another.",
            ),
            "power": Chart(
                "Power", numbers.watts,
                about="Average: over 1 s, as the driver measures it on Ampere and newer. Instant: at the sample.",
            ),
            "throttle": Chart(
                "Slowed by, last minute", numbers.percent, top=1.0, stacked=True, nothing="nothing", marks=1,
                mean_seconds=JUDGED_SECONDS,
                about="Share of time in which the clocks were held down, by cause, from the driver's counters. "
                "Idle slows nothing down: the GPU had little to do.",
            ),
            "temperature": Chart("Temperature", numbers.celsius, about="Core and memory, at each sample."),
            "clock": Chart("Clock", numbers.hertz, step=1e6, about="At each sample, in MHz."),
            "traffic": Chart(
                "PCIe and NVLink", numbers.byte_rate, decades_from=LEAST_TRAFFIC,
                about="Bytes a second, mean from one sample to the next. NVLink: all links together.",
            ),
        }  # fmt: skip
        self.charts["throttle"].setMinimumHeight(theme.THIN_CHART_HEIGHT)
        self.charts["throttle"].setMaximumHeight(theme.THIN_CHART_HEIGHT)
        self.charts["processes"].hide()
        self.charts["utilization"].hide()
        self.stack = ChartStack(list(self.charts.values()), context, "Curves of the GPU", scrolls=True)
        self._pointed: str | None = None
        self._axis = context.axis
        self._shown: tuple[Gpu, Gpu] | None = None

    def by_process(self, *, on: bool) -> None:
        """Show memory by process instead of its sum."""
        self.charts["processes"].setVisible(on)
        self.charts["memory"].setVisible(not on)
        self.stack.look()

    def show(self, gpu: Gpu, seen: Gpu) -> None:
        """Show the curves of ``gpu``; a metric has its colour whichever GPU that is.

        ``seen`` is the same GPU at the time that is seen: its limits and processes stand beside the curves.
        """
        self._shown = gpu, seen
        deep = has_activity(gpu)
        shown = self.charts["activity"], self.charts["utilization"]
        changed = shown[0].isHidden() is deep
        shown[0].setVisible(deep)
        shown[1].setVisible(not deep)
        for name, traces, limits in self._wanted(gpu, seen):
            changed |= self.charts[name].show_traces(traces, limits)
        if changed:
            self.stack.look()

    def _wanted(self, gpu: Gpu, seen: Gpu) -> Iterable[tuple[str, list[Trace], list[Limit]]]:
        def traces(*curves: tuple[str, str]) -> list[Trace]:
            return [Trace(name, gpu.uuid, metric, number) for number, (name, metric) in enumerate(curves)]

        yield "activity", traces(*_ACTIVITY), []
        yield "utilization", traces(*_UTILIZATION), []
        yield "memory", traces(("", "hw.gpu.memory.usage")), _limits(seen, ("of", "hw.gpu.memory.limit"))
        yield "processes", self._processes(seen), []
        yield (
            "power",
            traces(("average", "hw.power"), ("instant", "hw.power.instant")),
            _limits(seen, ("limit", "hw.power.limit")),
        )
        yield (
            "throttle",
            [Trace(name, gpu.uuid, metric, tint, quiet=metric == _IDLE) for name, metric, tint in _CAUSES],
            [],
        )
        heat = (("slowdown", "hw.temperature.limit.slowdown"), ("memory at most", "hw.temperature.limit.memory"))
        yield (
            "temperature",
            traces(("core", "hw.temperature"), ("memory", "hw.temperature.memory")),
            _limits(seen, *heat),
        )
        clocks = (("SM at most", "hw.gpu.clock.sm.limit"), ("memory at most", "hw.gpu.clock.memory.limit"))
        yield "clock", traces(("SM", "hw.gpu.clock.sm"), ("memory", "hw.gpu.clock.memory")), _limits(seen, *clocks)
        linked = value_of(gpu.metrics.get("hw.gpu.nvlink.limit")) or gpu.links
        yield "traffic", traces(*(_TRAFFIC if linked else _TRAFFIC[:2])), []

    def show_again(self) -> None:
        """Hear who held memory in the span that is seen: in history, their curves are those of the chart."""
        if self._shown is not None and self._axis.in_history:
            self.show(*self._shown)

    def _processes(self, seen: Gpu) -> list[Trace]:
        """Return the processes of now, or in history all that held memory within the span, those who held most."""
        happened = self.stack.happened
        if happened is None or not self._axis.in_history:
            return _process_traces(seen)
        span = self._axis.span()
        there = [one for one in happened.processes if one.first_at <= span.end and one.last_at >= span.start]
        largest = {one.device: one for one in sorted(there, key=lambda one: one.peak_bytes)[-PROCESSES_DRAWN:]}
        ordered = sorted(largest.values(), key=lambda one: (one.first_at, one.pid))
        return [Trace(memory_name(one), one.device, PROCESS_MEMORY, number) for number, one in enumerate(ordered)]

    def point_out(self, metric: str | None) -> bool:
        """Draw the curve of a metric before the others of its chart; False when no chart has it."""
        self._pointed = metric
        found = False
        for chart in self.charts.values():
            mine = metric is not None and any(trace.metric == metric for trace in chart.traces)
            chart.point_out(metric if mine else None)
            found |= mine and not chart.isHidden()
        return found


def has_activity(gpu: Gpu) -> bool:
    """Tell whether a GPU says more than whether a kernel ran (Hopper and newer)."""
    reading = gpu.metrics.get("hw.gpu.activity.sm")
    absent = {MetricState.NOT_SUPPORTED, MetricState.NOT_SUPPORTED_BY_DRIVER, MetricState.NO_PERMISSION}
    return reading is not None and reading.state not in absent


def _limits(gpu: Gpu, *named: tuple[str, str]) -> list[Limit]:
    found = [(name, value_of(gpu.metrics.get(metric))) for name, metric in named]
    return [Limit(name, value) for name, value in found if value]


def _process_traces(gpu: Gpu) -> list[Trace]:
    largest = sorted(gpu.processes, key=lambda process: -(process.gpu_memory_bytes or 0))[:PROCESSES_DRAWN]
    return [
        Trace(process_name(process), f"{gpu.uuid}/pid-{process.pid}", PROCESS_MEMORY, number)
        for number, process in enumerate(sorted(largest, key=lambda process: process.pid))
    ]
