"""Which device a person means: a GPU by its UUID, the beginning of it, or its index; any other by its name. Pure."""

from collections.abc import Iterable, Mapping

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.short_ids import the_one
from mlops_desk.kit.base.text import plain

_PREFIX = 4  # chosen: fewer characters of a UUID fit too many
_SHOWN = 8  # digits; chosen: a longer number is no index of a GPU


def resolve_device(given: str, gpus: Mapping[int, str], known: Iterable[str]) -> str:
    """Return the name that curves go by. ``gpus``: UUIDs by index; ``known``: all names. Raises NotFound, Invalid."""
    names = set(known) | set(gpus.values())
    if given in names or "/pid-" in given:
        return given
    index = given.lower().removeprefix("gpu")
    if index.isdecimal() and len(index) < _SHOWN and int(index) in gpus:
        return gpus[int(index)]
    found = sorted(name for name in names if len(given) >= _PREFIX and _begins(name, given))
    if found:
        return the_one(given, found, noun="device", hint=None, key=str)
    shown = ", ".join(
        [*(f"gpu{number}" for number in sorted(gpus)), *sorted(map(plain, names - set(gpus.values())))[:_SHOWN]]
    )
    raise NotFound(f"There is no device {plain(given)}.", f"Known are {shown} …" if shown else None)


def _begins(name: str, given: str) -> bool:
    """Tell whether a name begins so; the UUID of a GPU also without its ``GPU-``. Parts of a device do not count."""
    lower, wanted = name.lower(), given.lower()
    return "/" not in name.removeprefix("/") and (
        lower.startswith(wanted) or lower.removeprefix("gpu-").startswith(wanted)
    )
