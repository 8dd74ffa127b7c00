"""Is there a screen to open a window on, and a private one (with a window manager) for tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from desk_setup.say import BUILD, SetupError, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

END_SECONDS = 5


def present(env: Mapping[str, str]) -> bool:
    """A display, or a platform that the person chose and that may need none (offscreen)."""
    return bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") or env.get("QT_QPA_PLATFORM"))


@contextlib.contextmanager
def private(env: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A virtual screen of our own while the block runs; yields the environment that points to it.

    Also where the person has a screen: tests open and close windows and move the pointer.
    """
    with contextlib.ExitStack() as stack:
        display = stack.enter_context(_xvfb(env))
        ours = {name: value for name, value in env.items() if name not in {"WAYLAND_DISPLAY", "XAUTHORITY"}}
        ours["DISPLAY"] = display
        stack.enter_context(_program(["openbox", "--sm-disable"], ours))
        say(f"A virtual screen is up at {display}.")
        yield ours


@contextlib.contextmanager
def _xvfb(env: Mapping[str, str]) -> Iterator[str]:
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-noreset"]
    with _program(command, env, pass_fds=(write,)) as xvfb:
        os.close(write)
        with os.fdopen(read, "rb") as pipe:  # Xvfb writes its display's number once it listens
            number = pipe.readline().decode().strip()
        if not number:
            raise SetupError(f"The virtual screen did not start (Xvfb, exit {xvfb.wait(END_SECONDS)}).")
        yield f":{number}"


@contextlib.contextmanager
def _program(
    command: list[str], env: Mapping[str, str], pass_fds: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs; its output goes into the build folder, and it ends by its pid."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{command[0].lower()}.log").open("wb") as log:
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(env), pass_fds=pass_fds
        )
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def session_bus(command: list[str]) -> list[str]:
    """The command on a D-Bus session of its own, so that tests never talk to the person's desktop."""
    return ["dbus-run-session", "--", *command] if shutil.which("dbus-run-session") else command
