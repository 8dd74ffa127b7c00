"""Pulls and builds with what they tell meanwhile, and clearing away with a look before: ``images pull|build|prune``.

Exit code 0: it is there, or was cleared away (or only shown); 1: it failed, or something that was to go stayed; 130:
the looking was ended by Ctrl+C, and the pull or build goes on.
"""

import argparse
import contextlib
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

from mlops_desk.engines import text as forms
from mlops_desk.engines.records.task import ImageTask, LayerProgress, LayerState, TaskKind, TaskState
from mlops_desk.kit.api.client import Client, connect
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.text import duration_text, plain, size_text
from mlops_desk.kit.text.cells import cut
from mlops_desk.kit.text.document import show

# How far a pull is, on a terminal in place with a bar for each layer; elsewhere in plain lines, one for each news.
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


_INTERRUPTED = 130  # as shells say it
_WAIT_SECONDS = 5.0  # chosen: news come much earlier; a line that is quiet is asked anew
_PAUSE_SECONDS = 0.2  # chosen: a bar that moves five times a second looks alive


def pull(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Have an image pulled, and look until it is there. Raises DeskError where it does not come."""
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        return _follow(client, client.images.pull(given.reference, given.engine), given, as_json=as_json)


def build(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Have an image built, and show what the build writes. Raises DeskError where it fails."""
    folder = str(Path(given.folder).expanduser().absolute())
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        task = client.images.build(folder, given.tag, given.file, given.engine)
        return _follow(client, task, given, as_json=as_json)


def prune(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Show what would go and what stays; with ``--yes``, let that go."""
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        found = client.images.preview(given.unused_for, given.engine)
        if given.yes and found.going:
            found = client.images.prune([item.id for item in found.going], given.unused_for, given.engine)
    again = "" if found.applied or given.yes or not found.going else "\nRemove them: mlops-desk images prune --yes"
    show(wire.to_builtins(found) if as_json else None, forms.preview(found) + again, as_json=as_json)
    return 1 if any(item.why == "refused" for item in found.staying) else 0


def _follow(client: Client, task: ImageTask, given: argparse.Namespace, *, as_json: bool) -> int:
    if not given.detach:
        try:
            task = _watched(client, task, as_json=as_json)
        except KeyboardInterrupt:
            sys.stderr.write(
                f"\nmlops-desk: it goes on. Look again: mlops-desk images task {task.id}\n"
                f"  To end it: mlops-desk images cancel {task.id}\n"
            )
            return _INTERRUPTED
    if as_json:
        show(wire.to_builtins(task), "", as_json=True)
        return 0 if given.detach or task.state is TaskState.DONE else 1
    if task.state.is_final and task.state is not TaskState.DONE:
        raise _failure(task)
    show(None, forms.told(task), as_json=False)
    return 0


def _watched(client: Client, task: ImageTask, *, as_json: bool) -> ImageTask:
    if task.kind is TaskKind.BUILD and not as_json:
        for line in client.images.logs(task.id, follow=True):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    painter = None if as_json or task.kind is TaskKind.BUILD else Painter(sys.stdout)
    while not task.state.is_final:
        task = client.images.task(task.id, _WAIT_SECONDS, task.heard_at)
        if painter is not None:
            painter.show(task)
        if not task.state.is_final:
            time.sleep(_PAUSE_SECONDS)
    if painter is not None:
        painter.end()
    return task


def _failure(task: ImageTask) -> DeskError:
    reason = task.reason
    verb = "pulled" if task.kind is TaskKind.PULL else "built"
    text = f"The image {plain(task.reference)} was not {verb}: {task.state.value}."
    if reason is None:
        return DeskError(text, Hint(f"mlops-desk images task {task.id}"))
    return DeskError(reason.text, reason.hint, reason.command)
