"""A port on which nobody listens, and which nobody is given meanwhile. Other tests import it."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 10_000  # chosen: below lie the ports of services that people know
_TRIES = 1000


def free_port() -> int:
    """Return a port below those that the kernel gives to whoever asks for any: a busy machine gives them again soon."""
    last = int(_RANGE.read_text().split()[0])
    dice = random.SystemRandom()  # hypothesis seeds the other one, for several processes alike
    for _ in range(_TRIES):
        port = dice.randrange(_FIRST, max(last, _FIRST + 1))
        with socket.socket() as one:
            try:
                one.bind(("", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no port from {_FIRST} to {last} is free")
