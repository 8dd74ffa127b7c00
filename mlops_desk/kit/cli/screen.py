"""Whether there is a screen to open a window on. Qt ends the whole process when there is none, so we look first.

Only whether the server's socket takes a connection is tried: who may draw there is the server's to say.
"""

import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.text import plain

_HINT = Hint("mlops-desk status", before="Without one: ")
_DEADLINE_SECONDS = 3.0
"""Chosen: a display server on this machine answers at once, one behind ssh after a round trip or two."""
_X_PORT = 6000  # X11's own: display n listens on 6000 + n
_X_FOLDER = "/tmp/.X11-unix"  # noqa: S108 - where every X server puts its sockets
_DISPLAY = re.compile(r"(?P<host>[^:/]*):(?P<number>[0-9]{1,5})(\.[0-9]{1,5})?")
_NEEDS = {"xcb": ("DISPLAY",), "wayland": ("WAYLAND_DISPLAY",)}
"""What a platform of Qt needs; one that is named and is not here (offscreen, vnc) needs neither."""


def check_screen(environment: Mapping[str, str]) -> None:
    """Raise Unavailable unless Qt will find a screen."""
    platform = environment.get("QT_QPA_PLATFORM", "").partition(";")[0].partition(":")[0].partition("-")[0]
    if platform and platform not in _NEEDS:
        return
    names = _NEEDS.get(platform, ("WAYLAND_DISPLAY", "DISPLAY"))
    named = {name: environment[name] for name in names if environment.get(name)}
    if not named:
        raise Unavailable("There is no screen here to open a window on.", _HINT)
    if not any(_ANSWERS[name](text, environment) for name, text in named.items()):
        told = " and ".join(f"{name}={plain(text, 100)}" for name, text in named.items())
        raise Unavailable(f"There is no screen here to open a window on: nothing answers at {told}.", _HINT)


def _x_answers(display: str, _environment: Mapping[str, str]) -> bool:
    parts = _DISPLAY.fullmatch(display)
    if parts is None:
        return True  # a form that only the X library knows
    host, number = parts["host"], int(parts["number"])
    if host not in {"", "unix"}:
        return _connects((host, _X_PORT + number))
    path = f"{_X_FOLDER}/X{number}"
    return _connects(f"\0{path}") or _connects(path)


def _wayland_answers(display: str, environment: Mapping[str, str]) -> bool:
    return _connects(str(Path(environment.get("XDG_RUNTIME_DIR", "/"), display)))


_ANSWERS: dict[str, Callable[[str, Mapping[str, str]], bool]] = {
    "DISPLAY": _x_answers,
    "WAYLAND_DISPLAY": _wayland_answers,
}


def _connects(address: str | tuple[str, int]) -> bool:
    """Tell whether a Unix socket (by its path) or a host and port takes a connection."""
    try:
        if isinstance(address, tuple):
            socket.create_connection(address, _DEADLINE_SECONDS).close()
            return True
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_DEADLINE_SECONDS)
            probe.connect(address)
    except (OSError, ValueError):
        return False
    return True
