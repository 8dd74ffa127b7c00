"""A shell in a running job's container, in the terminal that the person uses."""

import os
import shutil
from collections.abc import Callable

from mlops_desk.base.errors import DeskError, Hint
from mlops_desk.base.process import python_command, start_detached
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.ui.live.context import Context

_TERMINALS = (
    ("x-terminal-emulator", "-e"),
    ("gnome-terminal", "--"),
    ("konsole", "-e"),
    ("xfce4-terminal", "-x"),
    ("xterm", "-e"),
)
"""Programs that run a command in a window, each with the option after which it stands; Debian's own choice first."""


def why_no_shell(context: Context, job: JobBrief) -> str:
    """Return why none can be opened in a job that runs: it has no container, it is elsewhere, or made up."""
    options = context.options
    if options.demo:
        return "there are no containers in the demonstration"
    if options.address.folder is None:
        return "it runs on another machine"
    return "" if job.container is not None else "it has no container"


def open_shell(context: Context, job: JobBrief, found: Callable[[str], str | None] = shutil.which) -> None:
    """Open one; where there is no terminal, say what to type in one."""
    folder = context.options.address.folder
    terminal = _terminal(found)
    if terminal is None or folder is None:
        hint = Hint(f"mlops-desk jobs shell {job.id}", before="Type in one: ")
        context.complain(DeskError("No terminal program was found.", hint))
        return
    words = python_command("mlops_desk", "--address", str(context.options.address), "jobs", "shell", job.id)
    log = folder.logs / "shell.log"

    def start() -> int:
        try:
            return start_detached([*terminal, *words], log)
        except OSError as error:
            raise DeskError(f"{terminal[0]} can't be started: {error}.", "Look at TERMINAL.") from error

    context.tasks().run("open a shell", start, lambda _pid: None, context.complain)


def _terminal(found: Callable[[str], str | None]) -> list[str] | None:
    """Return how a command is run in a terminal: in the one that the person names, else in the first that is there."""
    named = os.environ.get("TERMINAL", "")
    wanted = [(named, "-e")] if named else []
    return next(([program, option] for name, option in (*wanted, *_TERMINALS) if (program := found(name))), None)
