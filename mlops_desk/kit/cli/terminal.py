"""Joins this terminal to a shell in a job's container, through the engine's own client.

That one knows raw terminals, sizes that change and lost connections, and it needs the right to speak to the engine,
which the agent does not hand on: whoever may do that owns the machine. So it is started in place of this program, as
the person who asks.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.kit.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.process import hand_over
from mlops_desk.kit.base.text import plain

_UNIX = "unix://"


def enter(shell: JobShell) -> NoReturn:
    """Become the engine's client with a shell in the job's container. Raises DeskError where that can't be."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        text = "A shell needs a terminal, and this is a pipe or a file."
        raise Invalid(text, Hint(f"mlops-desk jobs shell {shell.job_id}", before="Run it in a terminal: "))
    _check_reach(shell)
    words = command(shell, shutil.which)
    sys.stdout.write(f"A shell in {plain(shell.container)}, where job {plain(shell.job_id)} runs; exit leaves it.\n")
    sys.stdout.flush()
    hand_over(words)


def command(shell: JobShell, find: Callable[[str], str | None]) -> list[str]:
    """Return the command that opens the shell: docker's client, else podman's. Raises Unavailable."""
    if (docker := find("docker")) is not None:
        head = [docker, "--host", shell.engine]
    elif (podman := find("podman")) is not None:
        head = [podman, "--remote", "--url", shell.engine]
    else:
        text = "A shell in a container is opened by the client of Docker or of Podman, and this machine has neither."
        raise Unavailable(text, Hint("sudo apt-get install docker-cli"))
    return [*head, "exec", "--interactive", "--tty", shell.container, *shell.words]


def _check_reach(shell: JobShell) -> None:
    if not shell.engine.startswith(_UNIX):
        return
    path = Path(shell.engine.removeprefix(_UNIX))
    if not path.exists():
        raise Unavailable(f"The engine's socket {path} is not on this machine.", "Run it where the agent runs.")
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"You may not speak to the engine at {path} yourself, and a shell is opened by you, not by the agent."
        raise Refused(text, "Ask an administrator: whoever may speak to it has all rights on this machine.")
