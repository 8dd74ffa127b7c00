"""A program of the agent's own user that is told of firings: as that user, without a shell, without arguments.

What a rule says reaches it as JSON on its standard input and nowhere else, so no text of a rule, a job or a container
becomes a word of a command. Only rules of that same user have it run: of others' rules it would be somebody else's
hand. A file that others could replace is not run. What takes too long is ended with all that it has started, wherever
that has gone (``command_supervisor.py``).
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Any

from mlops_desk.automation.rules.channels import command_supervisor
from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import run_command
from mlops_desk.kit.base.text import plain

DEADLINE_SECONDS = 30.0  # chosen: time to ring somebody up by a web service; what takes longer is better a job
_GRACE_SECONDS = 2.0  # longer than its keeper takes to end all that it has started
_TAIL = 300  # chosen: the last line of what it complained of
_SETTING = Hint("mlops-desk settings set notify.command /path/of/a/program")


def may_command(uid: int) -> None:
    """Refuse a rule that runs a command to anybody but the agent's own user."""
    if uid != os.getuid():
        text = "A rule runs a command only for the agent's own user: it is that user's program."
        raise Refused(text, "Tell people on the desktop, by webhook or e-mail, or ask them to make the rule.")


def run(path: str, told: Mapping[str, Any], uid: int, ending: Event | None = None) -> None:
    """Run the program with a document on its standard input. Raises Invalid, Refused, Unavailable, TimedOut."""
    if not path:
        raise Invalid("No program is set that rules may run.", _SETTING)
    may_command(uid)
    check(path, uid)
    given = json.dumps(told, ensure_ascii=False).encode()
    done = run_command(
        interpreter.alone(command_supervisor.__file__, str(os.getpid()), path),
        DEADLINE_SECONDS,
        name=path,
        given=given,
        ending=ending,
        as_person=person(uid),
        output_bytes=0,
        grace_seconds=_GRACE_SECONDS,
    )
    if done.code:
        tail = plain(done.errors.decode("utf-8", "replace").strip()[-_TAIL:], _TAIL)
        raise Unavailable(f"{plain(path, 200)} ended with {done.code}{': ' + tail if tail else ''}.")


def check(path: str, uid: int) -> None:
    """Refuse a program that is none, or that somebody else may write. Raises Invalid, Refused."""
    program = Path(path)
    if not program.is_absolute():
        raise Invalid(f"{plain(path, 200)} is not the absolute path of a program.", _SETTING)
    try:
        found = program.resolve(strict=True)
        places = [found, *found.parents]
        facts = [place.stat() for place in places]
    except OSError as error:
        raise Invalid(f"{plain(path, 200)} can't be looked at: {error.strerror}.", _SETTING) from error
    if not stat.S_ISREG(facts[0].st_mode) or not facts[0].st_mode & 0o111:
        raise Invalid(f"{plain(path, 200)} is no program.", Hint(f"chmod u+x {plain(path, 200)}"))
    for place, fact in zip(places, facts, strict=True):
        sticky = stat.S_ISDIR(fact.st_mode) and fact.st_mode & stat.S_ISVTX  # others can't replace what lies there
        if fact.st_uid not in {0, uid} or (fact.st_mode & 0o022 and not sticky):
            text = f"{plain(str(place), 200)} can be written by others, so {plain(path, 200)} is not run."
            raise Refused(
                text, "Let it, and the folders that it lies in, be yours or root's and writable by nobody else."
            )
