"""How single values of a job file are written: what is wanted, how it is read, and how it is written again.

Here are names, paths and amounts; ``schedule.py`` has what says when and how often.
"""

import math
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
_EXACT = 1 << 53  # a float holds whole numbers exactly up to here
_KERNEL_TARGETS = ("/proc", "/sys", "/dev")
_LOADER = frozenset({"LD_PRELOAD", "LD_AUDIT"})
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_UUID = re.compile(r"(GPU|MIG)-[A-Za-z0-9/_-]{1,100}", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_GIT = re.compile(r"(?:https?|ssh|git|file)://[^\s\\]{1,500}|[A-Za-z0-9_.-]{1,60}@[A-Za-z0-9.-]{1,250}:[^\s\\]{1,250}")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}", re.ASCII)
_ADDRESS = re.compile(r"https?://[^\s\\]{1,500}")
_PASSWORD = re.compile(r"[a-z]+://[^/@]*:[^/@]*@|https?://[^/@]+@")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_CPU_DIGITS = 3  # the engine counts CPUs in thousandths and finer; nobody else does


def _whole(pattern: re.Pattern[str]) -> str:
    """Return a pattern for all of a text, as a schema writes it."""
    return f"^({pattern.pattern})$"


class Forbidden(Unfit):
    """A text that is of the right form and will not be taken; ``text`` says why."""

    def __init__(self, text: str, wanted: str) -> None:
        super().__init__(wanted)
        self.text = text


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written. ``read`` makes it of its text and raises Unfit; ``write`` makes what YAML shows of it.

    ``types`` are JSON's words for what other programs may send, of which the text counts; ``pattern`` is what a schema
    says of its text.
    """

    wanted: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str | int | float] = str
    empty: bool = False
    types: tuple[str, ...] = ("string",)
    pattern: str | None = None


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


def _inside(text: str) -> str:
    """Read a path that stays below a folder, whatever it says."""
    path = clean_path(text)
    if path.startswith(("/", "../", "~", "-")) or path in {".", ".."}:
        raise Unfit(INSIDE.wanted)
    return path


def _parameter(text: str) -> str:
    return _fits(_PARAMETER, text, PARAMETER.wanted)


def _secret(text: str) -> str:
    return _fits(_SECRET, text, SECRET.wanted)


def _word(text: str) -> str:
    return _fits(_WORD, text, WORD.wanted)


def _uuid(text: str) -> str:
    return _fits(_UUID, text, UUID.wanted)


def _model(text: str) -> str:
    if not text.strip() or len(text) > NAME_LIMIT or plain(text) != text:
        raise Unfit(MODEL.wanted)
    return text


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise Unfit(FLAG.wanted)
    return _FLAGS[text.lower()]


def _number(text: str) -> float:
    number = float(_fits(_FLOAT, text, NUMBER.wanted))
    if not math.isfinite(number):
        raise Unfit(NUMBER.wanted)
    return number


def _written_number(number: Any) -> int | float:
    return int(number) if float(number).is_integer() and abs(number) < _EXACT else float(number)


def _port(text: str) -> int:
    return int(_fits(_PORT, text, PORT.wanted))


def _without_password(text: str) -> str:
    if _PASSWORD.match(text):
        raise Forbidden("an address with a password or a token would be stored and shown.", "Write it without.")
    return text


def _git(text: str) -> str:
    return _without_password(_fits(_GIT, text, GIT.wanted))


def _address(text: str) -> str:
    return _without_password(_fits(_ADDRESS, text, ADDRESS.wanted))


def _ref(text: str) -> str:
    if ".." in text:
        raise Unfit(REF.wanted)
    return _fits(_REF, text, REF.wanted)


def _experiment(text: str) -> str:
    if len(text) > EXPERIMENT_LIMIT or plain(text, EXPERIMENT_LIMIT) != text or not text.strip():
        raise Unfit(EXPERIMENT.wanted)
    return text


_SCALAR = ("string", "number", "boolean")
ARGUMENT = Form("a text or a number", empty=True, types=_SCALAR)
NAME = Form(f"a name of up to {NAME_LIMIT} visible characters, without blanks around it", _name)
IMAGE = Form("an image such as registry/name:tag", _image, pattern=_whole(_IMAGE))
VARIABLE = Form("the name of a variable: letters, digits and _", _variable, pattern=_whole(_ENV_NAME))
_WHOLES = ("integer", "string")
GPUS = Form("a whole number of GPUs, 0 to 999", _gpus, int, types=_WHOLES, pattern=_whole(_WHOLE))
CPUS = Form(
    "a number of CPUs above 0 such as 2 or 0.5",
    _cpus,
    lambda cpus: round(float(cpus), _CPU_DIGITS),
    types=("number", "string"),
)
AMOUNT = Form(units.EXPECTED, units.parse_bytes, units.format_bytes, types=("string", "integer"))
SOURCE = Form("a path on this machine", _source)
TARGET = Form("an absolute path in the container", _target)
INSIDE = Form("a path in the folder, neither absolute nor with .. out of it", _inside)
MODE = Form("ro (read only) or rw")
PARAMETER = Form(
    "a parameter's name: letters, digits, _, . and -, beginning with a letter or _",
    _parameter,
    pattern=_whole(_PARAMETER),
)
SECRET = Form("a secret's name: letters, digits, _, . and -", _secret, pattern=_whole(_SECRET))
WORD = Form("a word in small letters, with digits, _ and -", _word, pattern=_whole(_WORD))
MODEL = Form("a GPU's name or a pattern for it such as H100*", _model)
UUID = Form("a GPU's UUID such as GPU-5a1b0c7e (an index may be another card's tomorrow)", _uuid, pattern=_whole(_UUID))
FLAG = Form("true or false", _flag, bool, types=("boolean", "string"))
NUMBER = Form("a number such as 0.1, 3 or 1e-5", _number, _written_number, types=("number", "string"))
PORT = Form("a port from 1 to 65535", _port, int, types=_WHOLES, pattern=_whole(_PORT))
GIT = Form("an address such as https://host/repo.git or git@host:repo.git", _git, pattern=_whole(_GIT))
REF = Form("a branch, a tag or a commit", _ref, pattern=_whole(_REF))
ADDRESS = Form("an address such as http://host:5000", _address, pattern=_whole(_ADDRESS))
EXPERIMENT = Form(f"an experiment's name, up to {EXPERIMENT_LIMIT} visible characters", _experiment)
