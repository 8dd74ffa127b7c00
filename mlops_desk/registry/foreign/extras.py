"""The libraries of other trackers, which only who reads their files needs: an extra of this program."""

from importlib import import_module
from types import ModuleType

from mlops_desk.base.errors import Hint, Unavailable

EXTRA = "trackers"


def library(module: str, tracker: str) -> ModuleType:
    """Return a module of a tracker's own package. Raises Unavailable where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        hint = Hint(f"pip install 'mlops-desk[{EXTRA}]'", before="In the environment of the agent: ")
        text = f"{tracker}'s files are read with its own package {package}, which is not installed ({error.msg})."
        raise Unavailable(text, hint) from error
