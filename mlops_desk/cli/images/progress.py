"""How far a pull is, on a terminal in place with a bar for each layer; elsewhere in plain lines, one for each news."""

import shutil
from typing import TextIO

from mlops_desk.base.text import duration_text, plain, size_text
from mlops_desk.cli.cells import cut
from mlops_desk.records.images.task import ImageTask, LayerProgress, LayerState, TaskState

_BAR = 24  # chosen: fits beside the rest in 80 columns
_UP = "\x1b[{}A"
_REST_OF_LINE = "\x1b[K"
_REST_OF_SCREEN = "\x1b[J"
_TENTHS = 10  # chosen: a log of a night's pull is read in one look
_MOVING = (LayerState.DOWNLOADING, LayerState.VERIFYING, LayerState.EXTRACTING)


class Painter:
    """Writes to ``output``; in place where that is a terminal."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._in_place = output.isatty()
        self._lines = 0
        self._said: dict[str, LayerState] = {}
        self._tenth = -1
        self._state: TaskState | None = None

    def show(self, task: ImageTask) -> None:
        """Show how far a task is."""
        self._output.write(self._painted(task) if self._in_place else self._news(task))
        self._output.flush()

    def end(self) -> None:
        """Leave what is painted, and go on below it."""
        self._lines = 0

    def _painted(self, task: ImageTask) -> str:
        columns, rows = shutil.get_terminal_size()
        moving = [layer for layer in task.layers if layer.state in _MOVING][: max(0, rows - 3)]
        lines = [*(layer_line(layer) for layer in moving), summary(task)]
        up = _UP.format(self._lines) if self._lines else ""
        self._lines = len(lines)
        shown = "".join(f"{cut(line, columns - 1)}{_REST_OF_LINE}\n" for line in lines)
        return f"{up}{shown}{_REST_OF_SCREEN}"

    def _news(self, task: ImageTask) -> str:
        lines = []
        for layer in task.layers:
            if self._said.get(layer.id) is not layer.state and layer.state is not LayerState.VERIFYING:
                self._said[layer.id] = layer.state
                lines.append(f"{plain(layer.id)}: {layer.state.value}")
        tenth = -1 if not task.total_bytes or task.done_bytes is None else task.done_bytes * _TENTHS // task.total_bytes
        waits = task.state is TaskState.WAITING and task.reason is not None
        if tenth > self._tenth or (task.state is not self._state and waits):
            lines.append(summary(task))
        self._tenth, self._state = max(tenth, self._tenth), task.state
        return "".join(f"{line}\n" for line in lines)


def layer_line(layer: LayerProgress) -> str:
    """Return a layer's line: its id, where it stands, and a bar where its bytes are known."""
    head = f"{plain(layer.id)}  {layer.state.value:<11}"
    if layer.done_bytes is None:
        return head
    if not layer.total_bytes:
        return f"{head} {size_text(layer.done_bytes)}"
    full = layer.done_bytes * _BAR // layer.total_bytes
    return f"{head} [{'#' * full}{'.' * (_BAR - full)}] {size_text(layer.done_bytes)} of {size_text(layer.total_bytes)}"


def summary(task: ImageTask) -> str:
    """Return the line for the whole pull; what is not known is not in it."""
    if task.state is TaskState.WAITING and task.reason is not None:
        return task.reason.text
    words = [f"{task.layers_done} of {task.layers_count} layers"] if task.layers_count else ["asks the registry"]
    if task.done_bytes is not None:
        of = "" if task.total_bytes is None else f" of {size_text(task.total_bytes)}"
        words.append(f"{size_text(task.done_bytes)}{of}")
    if task.bytes_per_second is not None and task.state is TaskState.RUNNING:
        words.append(rate(task.bytes_per_second))
    if task.eta_seconds is not None:
        words.append(f"about {duration_text(round(task.eta_seconds) or 1)} left")
    return ", ".join(words)


def rate(bytes_per_second: float) -> str:
    """Return a speed; slow lines are told in KiB."""
    if bytes_per_second < 2 << 20:
        return f"{bytes_per_second / 1024:.0f} KiB/s"
    return f"{size_text(int(bytes_per_second))}/s"
