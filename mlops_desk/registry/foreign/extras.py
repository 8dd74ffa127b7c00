"""The libraries of other trackers, which only who reads their files needs: an extra of this program."""

import shlex
from importlib import import_module
from types import ModuleType

from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.errors import Hint, Unavailable

PACKAGES = {"TensorBoard": "tensorboard>=2.18", "W&B": "wandb>=0.19"}
"""What of the extra ``trackers`` (pyproject.toml) a tracker needs. Trackio's files are SQLite and need nothing."""


def library(module: str, tracker: str) -> ModuleType:
    """Return a module of a tracker's own package. Raises Unavailable where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        wanted = PACKAGES[tracker]
        # Into the environment that this runs in: the pip that a shell finds is mostly another one's.
        command = shlex.join(interpreter.command("-m", "pip", "install", wanted))
        package = wanted.partition(">")[0]
        text = f"{tracker}'s files are read with its own package {package}, which is not installed ({error.msg})."
        raise Unavailable(text, Hint(command, before="Once, and nothing has to be started anew: ")) from error
