"""What goes wrong between us and an engine, as errors that a person can act on.

No answer in time, or an answer that breaks off, means *unknown*: TimedOut, never "failed". What the
engine says itself is quoted, capped and plain.
"""

import errno
import re
from collections.abc import Iterator

from mlops_desk.base.errors import DeskError, Hint, NotFound, TimedOut, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import EngineRefused, NotAllowed, Obstacle

_TEXT_LIMIT = 600  # chosen: a paragraph
_START = Hint("sudo systemctl start docker", after="    (not installed: sudo apt-get install docker.io)")
_RIGHTS = Hint(
    "sudo usermod -aG docker $USER", after="    then log in again. Members of that group are as good as root."
)
_TOOLKIT = Hint(
    "sudo apt-get install nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker"
    " && sudo systemctl restart docker"
)
_DRIVER = Hint(
    "nvidia-smi", before="Look whether ", after=" works on the host; after a driver update, restart the machine."
)
_CDI_FILE = "/etc/cdi/nvidia.yaml"
# With UUIDs for names: the generator's own choice is numbers, which change with the next card.
_CDI = Hint(f"sudo nvidia-ctk cdi generate --device-name-strategy=uuid --output={_CDI_FILE}")
_NETWORKS = Hint("docker network prune", after="    removes networks that nothing uses.")
FULL = "no space left on device"
_OBSTACLES = (
    ("could not select device driver", "gpu_toolkit_missing", _TOOLKIT),
    ("unknown or invalid runtime name: nvidia", "gpu_toolkit_missing", _TOOLKIT),
    ("unresolvable cdi devices", "cdi_stale", _CDI),
    ("driver/library version mismatch", "gpu_driver", _DRIVER),
    ("nvidia-container-cli: initialization error", "gpu_driver", _DRIVER),
    (FULL, "engine_disk_full", Hint("docker system df", after="    shows what the engine keeps.")),
    ("no available ipv4 addresses on this network", "engine_network_full", _NETWORKS),
    ("non-overlapping ipv4 address pool", "engine_network_full", _NETWORKS),
    ("fully subnetted", "engine_network_full", _NETWORKS),
    ("restrict inter-container communication", "engine_network_filter", Hint("sudo modprobe br_netfilter")),
    ("lookup init binary", "engine_init_missing", Hint("sudo apt-get install catatonit")),
)
"""What keeps an engine from starting a container until a person mends it: what it says, our word, what mends it."""
_HINTS = (
    ("nvidia-container-cli", _DRIVER),
    ("executable file not found", "The image has no such program: check the command."),
)
# What an engine says of the command itself repeats it, and so may hold any of the words above.
_OF_COMMAND = re.compile(
    r'exec: "(?:[^"\\]|\\.)*": (?:stat |executable file not found|permission denied|is a directory)'
)
_NO_NETWORK = re.compile(r"^network \S+ not found")
"""A container is there, and what it was to be connected to is not: making it again mends nothing."""
_BROKEN = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED})
_NOBODY = frozenset({errno.ECONNREFUSED, errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.EHOSTUNREACH})


def from_engine(status: int, text: str, what: str) -> DeskError:
    """Return the error for an answer of ``status`` with the engine's ``text`` to what we asked (``what``)."""
    said = plain(text.strip() or f"status {status}", _TEXT_LIMIT)
    if status == 404 and not is_network_gone(text):
        return NotFound(f"{what}: {said}")
    of_command = _OF_COMMAND.search(text)
    lowered = (text if of_command is None else text[: of_command.start()]).lower()
    for mark, word, mending in _OBSTACLES:
        if mark in lowered:
            return Obstacle(word, f"{what}: the engine refused. {said}", mending)
    hint = next((hint for mark, hint in _HINTS if mark in text.lower()), None)
    return EngineRefused(f"{what}: the engine refused. {said}", hint, said=text)


def is_network_gone(said: str) -> bool:
    """Tell whether the engine says that there is no such network."""
    return _NO_NETWORK.search(said) is not None


def no_answer(what: str, address: str, seconds: float) -> TimedOut:
    """Return the error for an engine that took the call and did not answer."""
    text = f"{what}: the container engine at {plain(address)} did not answer within {seconds:g} s."
    return TimedOut(text, "It may still happen; the desk looks again. Is the engine overloaded or stopped?")


def from_connection(error: BaseException, what: str, address: str) -> Unavailable:
    """Return the error for a connection that could not be made, or that broke."""
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno is not None}
    if errno.EACCES in numbers or errno.EPERM in numbers:
        return NotAllowed(f"This user may not use the container engine at {plain(address)}.", _RIGHTS)
    if numbers & _NOBODY:
        return Unavailable(f"No container engine answers at {plain(address)}.", _START)
    if is_broken(error):
        text = f"{what}: the connection to the container engine broke off, so whether it happened is unknown."
        return TimedOut(text, "The desk looks again as soon as the engine answers.")
    said = plain(str(causes[-1]), _TEXT_LIMIT)
    return Unavailable(f"The container engine at {plain(address)} can't be reached: {said}", _START)


def is_late(error: BaseException) -> bool:
    """Tell whether an answer did not come in time."""
    return any(
        isinstance(cause, TimeoutError) or type(cause).__name__ in {"ReadTimeout", "ConnectTimeout", "ReadTimeoutError"}
        for cause in _causes(error)
    )


def is_broken(error: BaseException) -> bool:
    """Tell whether a connection that stood was cut, as when an engine restarts."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _BROKEN)
        or type(cause).__name__ in {"RemoteDisconnected", "IncompleteRead", "ProtocolError"}
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything it was made from; libraries hide the cause in arguments as well as in chains."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [*(arg for arg in current.args if isinstance(arg, BaseException))]
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None)]
