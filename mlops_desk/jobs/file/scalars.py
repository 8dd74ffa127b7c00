"""How single values of a job file are written: what is wanted, how it is read, and how it is written again."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.jobs.file import units
from mlops_desk.jobs.file.units import Unfit

RESERVED_TARGET = "/mlops-desk"
NAME_LIMIT = 100  # chosen: it heads a page and a row of a table
EXPERIMENT_LIMIT = 250  # chosen: below the 256 characters that MLflow's own store keeps of a name
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,510}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,3}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)
_KERNEL_TARGETS = ("/proc", "/sys", "/dev")
_LOADER = frozenset({"LD_PRELOAD", "LD_AUDIT"})
_CPU_DIGITS = 3  # the engine counts CPUs in thousandths and finer; nobody else does


class Forbidden(Unfit):
    """A text that is of the right form and will not be taken; ``text`` says why."""

    def __init__(self, text: str, wanted: str) -> None:
        super().__init__(wanted)
        self.text = text


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written. ``read`` makes it of its text and raises Unfit; ``write`` makes what YAML shows of it."""

    wanted: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str | int | float] = str
    empty: bool = False


def _fits(pattern: re.Pattern[str], text: str, wanted: str) -> str:
    if not pattern.fullmatch(text):
        raise Unfit(wanted)
    return text


def _name(text: str) -> str:
    if text != text.strip() or len(text) > NAME_LIMIT or plain(text) != text:
        raise Unfit(NAME.wanted)
    return text


def _image(text: str) -> str:
    return _fits(_IMAGE, text, IMAGE.wanted)


def _variable(text: str) -> str:
    if text.upper().startswith("NVIDIA_") or text in _LOADER:
        reason = f"{text} can't be set: it decides which GPUs and code a container sees."
        raise Forbidden(reason, "Ask for GPUs with resources: {gpus: N}; set other variables inside the command.")
    return _fits(_ENV_NAME, text, VARIABLE.wanted)


def _gpus(text: str) -> int:
    return int(_fits(_WHOLE, text, GPUS.wanted))


def _cpus(text: str) -> float:
    return float(_fits(_NUMBER, text, CPUS.wanted))


def _source(text: str) -> str:
    if text.startswith("~"):
        raise Unfit("an absolute path, or one relative to the job file (~ is the shell's, not ours)")
    return text


def _target(text: str) -> str:
    target = clean_path(text)
    if not target.startswith("/") or target == "/":
        raise Unfit("an absolute path in the container, other than /")
    for taken in (RESERVED_TARGET, *_KERNEL_TARGETS):
        if target == taken or target.startswith(f"{taken}/"):
            raise Unfit(f"a path outside {taken}, which is not for data")
    return target


def clean_path(path: str) -> str:
    """Return a path without ``.``, ``..`` and doubled slashes."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _experiment(text: str) -> str:
    if len(text) > EXPERIMENT_LIMIT or plain(text, EXPERIMENT_LIMIT) != text or not text.strip():
        raise Unfit(EXPERIMENT.wanted)
    return text


ARGUMENT = Form("a text or a number", empty=True)
NAME = Form(f"a name of up to {NAME_LIMIT} visible characters, without blanks around it", _name)
IMAGE = Form("an image such as registry/name:tag", _image)
VARIABLE = Form("the name of a variable: letters, digits and _", _variable)
GPUS = Form("a whole number of GPUs, 0 to 999", _gpus, int)
CPUS = Form("a number of CPUs above 0 such as 2 or 0.5", _cpus, lambda cpus: round(float(cpus), _CPU_DIGITS))
AMOUNT = Form(units.EXPECTED, units.parse_bytes, units.format_bytes)
SOURCE = Form("a path on this machine", _source)
TARGET = Form("an absolute path in the container", _target)
MODE = Form("ro (read only) or rw")
EXPERIMENT = Form(f"an experiment's name, up to {EXPERIMENT_LIMIT} visible characters", _experiment)
