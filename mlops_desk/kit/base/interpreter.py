"""How this program starts Python: it never loads code from the folder where somebody stands, nor from PYTHONPATH.

    python -E -P interpreter.py MODULE [ARGUMENT ...]

Python looks for modules in the current folder (``-m``, ``-c``) and where PYTHONPATH says, before its own library: who
stands in a stranger's repository would run the ``secrets.py`` of it. ``-P`` and ``-E`` keep both out. A module of ours
is run by the path of this file, so that a child has the code of its parent, wherever that lies, and nothing else that
lies there. The file imports nothing of ours: it is loaded before a process is isolated, too.
"""

import os
import sys

PROGRAM = os.path.abspath(__file__)  # noqa: PTH100 - pathlib would be looked for in the folder where somebody stands
_PACKAGE = "mlops_desk"


def is_isolated() -> bool:
    """Return whether this process was started so that neither the current folder nor PYTHONPATH counts."""
    return bool(sys.flags.safe_path and sys.flags.ignore_environment)


def command(*words: str) -> list[str]:
    """Return the command that runs this interpreter on ``words``, isolated.

    A user's own packages count where they do for this process: the program may be installed among them.
    """
    user = ["-s"] if sys.flags.no_user_site else []
    bytecode = ["-B"] if sys.dont_write_bytecode else []
    return [sys.executable, "-E", "-P", *user, *bytecode, *words]


def alone(*words: str) -> list[str]:
    """Return the command that runs a file of ours which needs Python's own library only: no site's code is loaded."""
    return [sys.executable, "-I", "-S", *words]


def begin_again(module: str) -> None:
    """Go on as the same program, isolated, where this process is not. Raises OSError."""
    if not is_isolated():
        os.execv(sys.executable, command(PROGRAM, module, *sys.argv[1:]))  # noqa: S606 - no shell reads these words


def _run(module: str) -> None:
    """Run a module as the program that it is; ``mlops_desk`` itself is the one beside this file."""
    sys.path.insert(0, PROGRAM.rpartition(f"/{_PACKAGE}/")[0])
    __import__(_PACKAGE)
    del sys.path[0]
    from runpy import run_module  # noqa: PLC0415 - only as a program

    del sys.argv[0]
    run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run(sys.argv[1])
