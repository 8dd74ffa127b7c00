"""The points of the hardened profile that a person may relax for a job (``OPENS`` has them by name). Pure."""

from collections.abc import Collection

from mlops_desk.base.errors import Hint, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.relaxations import OPENS


def check_relaxed(asked: Collection[str], allowed: Collection[str]) -> None:
    """Refuse a point that there is not, or that the administrator does not allow."""
    for name in asked:
        if name not in OPENS:
            raise Refused(f"{plain(name, 40)} is no point that can be relaxed.", f"There are: {', '.join(OPENS)}.")
        if name not in allowed:
            text = f"{name} is not to be relaxed on this machine: {OPENS[name]}."
            raise Refused(text, Hint("mlops-desk settings show jobs.relaxable", after="    says what is allowed."))
