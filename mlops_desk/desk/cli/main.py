"""From arguments to an exit code: 0 done, 1 a DeskError, 2 usage.

With ``--json`` (which may stand last) stdout is one JSON document and nothing else, and an error is
``{"error", "hint", "command"}`` on stderr, with the ``"place"`` in the file that was sent where there is one.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from mlops_desk.jobs.cli.bare import arguments as bare_words
from mlops_desk.kit.base.disk import agent_address
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.cli.global_options import Parser, split, window_words

_NOT_BEGUN = 125  # as docker run and env(1) say that it was not the command that failed
_INTERRUPTED = 130  # as shells say it
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "exec" in words and bare_words.asks(words):
        return _execute(words)
    head, _ = split(words)
    as_json = "--json" in head  # what follows -- is somebody else's
    words = [*(word for word in head if word != "--json"), *words[len(head) :]]
    Parser.json = as_json
    if sys.stdout is None:  # as with >&-
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    given = window_words(words) or _parsed(words)
    try:
        code = _do(given, as_json=as_json)
        sys.stdout.flush()  # here, where it can still be told that the answer was not written
    except DeskError as error:
        _complain(error, as_json=as_json)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in _FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still held back is not tried again at the end
        _complain(DeskError(f"The answer could not be written: {error.strerror}."), as_json=as_json)
        return 1
    return code


def _execute(words: list[str]) -> int:
    from mlops_desk.jobs.cli.bare.command import execute  # noqa: PLC0415 - the window's first paint needs none of it

    try:
        return execute(words)
    except DeskError as error:
        _complain(error, as_json=False)
        return _NOT_BEGUN
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parsed(words: list[str]) -> argparse.Namespace:
    from mlops_desk.desk.cli.parser import parse  # noqa: PLC0415 - all verbs, which the window's first paint needs none of

    return parse(words)


def _do(given: argparse.Namespace, *, as_json: bool) -> int:
    where = agent_address.choose(given.address, given.data_dir)
    if given.demo:
        root = where.files("The demo").root
        where = agent_address.AgentAddress.of_folder(root if root.name == "demo" else root / "demo")
    if given.act == "window" and not given.selftest:
        from mlops_desk.desk.cli.window import open_window  # noqa: PLC0415 - the window has its own imports, few before Qt

        return open_window(where, given)
    from mlops_desk.desk.cli import commands  # noqa: PLC0415 - usage errors and --help need none of it

    if given.selftest:
        return commands.selftest(given.selftest, as_json=as_json)
    return commands.ACTS[given.act](where, given, as_json)


def _complain(error: DeskError, *, as_json: bool) -> None:
    if as_json:
        from mlops_desk.kit.base import wire  # noqa: PLC0415 - 10 ms that only an error needs

        sys.stderr.write(wire.dumps({key: value for key, value in error.told().items() if key != "code"}) + "\n")
        return
    sys.stderr.write(f"mlops-desk: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")
