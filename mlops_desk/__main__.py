"""The program, as ``python -m mlops_desk`` and as the commands of an installation, which enter by ``main``.

Nothing of ours or of a library is imported before the process is isolated.
"""

import sys

from mlops_desk.kit.base import interpreter


def main() -> int:
    """Do what the command line asks for, isolated; return the exit code."""
    interpreter.begin_again("mlops_desk")
    from mlops_desk.desk.cli import main as run  # noqa: PLC0415 - see above

    return run()


if __name__ == "__main__":
    sys.exit(main())
