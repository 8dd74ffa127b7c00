"""Pulls and builds with what they tell meanwhile, and clearing away with a look before: ``images pull|build|prune``.

Exit code 0: it is there, or was cleared away (or only shown); 1: it failed, or something that was to go stayed; 130:
the looking was ended by Ctrl+C, and the pull or build goes on.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from mlops_desk.api.client import Client, connect
from mlops_desk.base import wire
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import DeskError, Hint
from mlops_desk.base.text import plain
from mlops_desk.cli.forms import images as forms
from mlops_desk.cli.images.progress import Painter
from mlops_desk.cli.output import show
from mlops_desk.records.images.task import ImageTask, TaskKind, TaskState

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
