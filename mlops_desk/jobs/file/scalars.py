"""How single values of a job file are written: what is wanted, how it is read, and how it is written again.

Here are names, paths and amounts; ``schedule.py`` has what says when and how often.
"""

import posixpath
import re

from mlops_desk.kit.base.document import byte_sizes
from mlops_desk.kit.base.document.scalar_types import NAME_LIMIT, Forbidden, Form, Unfit, fits, whole_pattern
from mlops_desk.kit.base.text import plain

RESERVED_TARGET = "/mlops-desk"
_REGISTERED = re.compile(r"[^/:.%\"'\s][^/:%\"']{0,199}")
EXPERIMENT_LIMIT = 250  # chosen: below the 256 characters that MLflow's own store keeps of a name
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,510}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,3}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)
_KERNEL_TARGETS = ("/proc", "/sys", "/dev")
_LOADER = frozenset({"LD_PRELOAD", "LD_AUDIT"})
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_UUID = re.compile(r"(GPU|MIG)-[A-Za-z0-9/_-]{1,100}", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_GIT = re.compile(r"(?:https?|ssh|git|file)://[^\s\\]{1,500}|[A-Za-z0-9_.-]{1,60}@[A-Za-z0-9.-]{1,250}:[^\s\\]{1,250}")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}", re.ASCII)
_ADDRESS = re.compile(r"https?://[^\s\\]{1,500}")
_PASSWORD = re.compile(r"[a-z]+://[^/@]*:[^/@]*@|https?://[^/@]+@")
_CPU_DIGITS = 3  # the engine counts CPUs in thousandths and finer; nobody else does


def _image(text: str) -> str:
    return fits(_IMAGE, text, IMAGE.wanted)


def _variable(text: str) -> str:
    if text.upper().startswith("NVIDIA_") or text in _LOADER:
        reason = f"{text} can't be set: it decides which GPUs and code a container sees."
        raise Forbidden(reason, "Ask for GPUs with resources: {gpus: N}; set other variables inside the command.")
    return fits(_ENV_NAME, text, VARIABLE.wanted)


def _gpus(text: str) -> int:
    return int(fits(_WHOLE, text, GPUS.wanted))


def _cpus(text: str) -> float:
    return float(fits(_NUMBER, text, CPUS.wanted))


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
    return fits(_PARAMETER, text, PARAMETER.wanted)


def _secret(text: str) -> str:
    return fits(_SECRET, text, SECRET.wanted)


def _uuid(text: str) -> str:
    return fits(_UUID, text, UUID.wanted)


def _model(text: str) -> str:
    if not text.strip() or len(text) > NAME_LIMIT or plain(text) != text:
        raise Unfit(MODEL.wanted)
    return text


def _port(text: str) -> int:
    return int(fits(_PORT, text, PORT.wanted))


def _without_password(text: str) -> str:
    if _PASSWORD.match(text):
        raise Forbidden("an address with a password or a token would be stored and shown.", "Write it without.")
    return text


def _git(text: str) -> str:
    return _without_password(fits(_GIT, text, GIT.wanted))


def _address(text: str) -> str:
    return _without_password(fits(_ADDRESS, text, ADDRESS.wanted))


def _ref(text: str) -> str:
    if ".." in text:
        raise Unfit(REF.wanted)
    return fits(_REF, text, REF.wanted)


def _registered(text: str) -> str:
    if text != text.strip():
        raise Unfit(REGISTERED.wanted)
    return fits(_REGISTERED, text, REGISTERED.wanted)


def _experiment(text: str) -> str:
    if len(text) > EXPERIMENT_LIMIT or plain(text, EXPERIMENT_LIMIT) != text or not text.strip():
        raise Unfit(EXPERIMENT.wanted)
    return text


_SCALAR = ("string", "number", "boolean")
ARGUMENT = Form("a text or a number", empty=True, types=_SCALAR)
IMAGE = Form("an image such as registry/name:tag", _image, pattern=whole_pattern(_IMAGE))
VARIABLE = Form("the name of a variable: letters, digits and _", _variable, pattern=whole_pattern(_ENV_NAME))
_WHOLES = ("integer", "string")
GPUS = Form("a whole number of GPUs, 0 to 999", _gpus, int, types=_WHOLES, pattern=whole_pattern(_WHOLE))
CPUS = Form(
    "a number of CPUs above 0 such as 2 or 0.5",
    _cpus,
    lambda cpus: round(float(cpus), _CPU_DIGITS),
    types=("number", "string"),
)
AMOUNT = Form(byte_sizes.EXPECTED, byte_sizes.parse_bytes, byte_sizes.format_bytes, types=("string", "integer"))
SOURCE = Form("a path on this machine", _source)
TARGET = Form("an absolute path in the container", _target)
INSIDE = Form("a path in the folder, neither absolute nor with .. out of it", _inside)
MODE = Form("ro (read only) or rw")
PARAMETER = Form(
    "a parameter's name: letters, digits, _, . and -, beginning with a letter or _",
    _parameter,
    pattern=whole_pattern(_PARAMETER),
)
SECRET = Form("a secret's name: letters, digits, _, . and -", _secret, pattern=whole_pattern(_SECRET))
MODEL = Form("a GPU's name or a pattern for it such as H100*", _model)
UUID = Form(
    "a GPU's UUID such as GPU-5a1b0c7e (an index may be another card's tomorrow)", _uuid, pattern=whole_pattern(_UUID)
)
PORT = Form("a port from 1 to 65535", _port, int, types=_WHOLES, pattern=whole_pattern(_PORT))
GIT = Form("an address such as https://host/repo.git or git@host:repo.git", _git, pattern=whole_pattern(_GIT))
REF = Form("a branch, a tag or a commit", _ref, pattern=whole_pattern(_REF))
ADDRESS = Form("an address such as http://host:5000", _address, pattern=whole_pattern(_ADDRESS))
REGISTERED = Form("a registered model's name, without / or :", _registered)
EXPERIMENT = Form(f"an experiment's name, up to {EXPERIMENT_LIMIT} visible characters", _experiment)
