"""The endpoint over time: requests by revision, latency, errors by class, and what its containers take."""

from collections.abc import Sequence

from PySide6.QtCore import Signal

from mlops_desk.records.serving.endpoint import Endpoint, RevisionState
from mlops_desk.ui.charts.chart import Chart
from mlops_desk.ui.charts.stack import ChartStack
from mlops_desk.ui.curves.traces import Trace
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.words import numbers

REVISIONS_DRAWN = 6  # chosen: the newest ones that answered, one beside the sum below the eight colours
_LEAST_SECONDS = 1e-3  # a millisecond: below it the way through the gateway is what is seen
_ALL_SLOT = 7  # gray
_MEMORY_STEP = 1 << 20  # a mebibyte: a model may take a few hundred of them
_ERRORS = (
    ("4xx", "endpoint.errors.4xx", 4),
    ("5xx", "endpoint.errors.5xx", 1),
    ("timeout", "endpoint.errors.timeout", 3),
)
_ABOUT_ERRORS = (
    "4xx: requests that were wrong. 5xx: the model or the gateway failed. Timeout: no answer in time. "
    "A class is drawn from its first error on."
)


def device_of(name: str, revision: int | None = None) -> str:
    """Return what an endpoint, or a revision of it, is called as a device of the history."""
    return f"endpoint:{name}" if revision is None else f"endpoint:{name}/{revision}"


def drawn_revisions(endpoint: Endpoint) -> list[int]:
    """Return the revisions whose requests are drawn, oldest first: those that answered at some time."""
    never = {RevisionState.BUILDING, RevisionState.STARTING, RevisionState.FAILED}
    answered = [one.revision for one in endpoint.revisions if one.state not in never]
    return answered[-REVISIONS_DRAWN:]


class CurvesView(EndpointView):
    """Four charts on the window's time axis, and the queue. ``brushed`` has the times whose requests are wanted."""

    brushed = Signal(float, float)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = Chart("Requests", words.per_second, about="Requests answered a second, by revision.")
        self.latency = Chart(
            "Latency", numbers.seconds, decades_from=_LEAST_SECONDS,
            about="Half, 19 of 20, and 99 of 100 requests took less.",
        )  # fmt: skip
        self.errors = Chart("Errors", words.per_second, nothing="none", about=_ABOUT_ERRORS)
        self.processor = Chart("CPU", words.cores, about="Cores that the containers take together.")
        self.memory = Chart(
            "Memory", numbers.size, step=_MEMORY_STEP,
            about="What the containers hold: of the machine's memory, and of GPUs.",
        )  # fmt: skip
        self.queue = Chart("Queue", numbers.number, about="The most requests that were seen waiting for a replica.")
        charts = [self.requests, self.latency, self.errors, self.queue, self.processor, self.memory]
        self.queue.setMinimumHeight(theme.THIN_CHART_HEIGHT)
        self.stack = ChartStack(charts, context, "Curves of the endpoint", scrolls=True)
        self._shown: tuple[str, tuple[int, ...]] | None = None
        self.stack.brushed.connect(self.brushed)
        self.column.addWidget(self.stack, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            return
        revisions = tuple(drawn_revisions(endpoint))
        if (endpoint.name, revisions) == self._shown:
            return
        self._shown = endpoint.name, revisions
        device = device_of(endpoint.name)
        self.requests.show_traces(_requests(endpoint.name, revisions))
        self.latency.show_traces(
            [Trace(word, device, f"endpoint.latency.{word}", slot) for slot, word in enumerate(("p50", "p95", "p99"))]
        )
        self.errors.show_traces([Trace(word, device, metric, slot) for word, metric, slot in _ERRORS])
        self.processor.show_traces([Trace("", device, "endpoint.cpu", 0)])
        self.memory.show_traces(
            [Trace("memory", device, "endpoint.memory", 0), Trace("GPU memory", device, "endpoint.gpu.memory", 1)]
        )
        self.queue.show_traces([Trace("", device, "endpoint.queue", 0)])
        self.stack.subject = f"endpoint {endpoint.name}"
        self.stack.of(device)
        self.stack.look()

    def look(self) -> None:
        self.stack.reload()


def _requests(name: str, revisions: Sequence[int]) -> list[Trace]:
    """Return the sum, and each revision where there are several; one keeps its colour."""
    whole = Trace("all" if len(revisions) > 1 else "", device_of(name), "endpoint.requests", _ALL_SLOT)
    if len(revisions) < 2:
        return [whole]
    parts = [
        Trace(f"revision {number}", device_of(name, number), "endpoint.requests", number % _ALL_SLOT)
        for number in revisions
    ]
    return [whole, *parts]
