"""A real Secret Service in a session of a test's own: gnome-keyring's daemon on a bus that nobody else has.

There is no screen, so whoever would be asked for a password is told at once that nobody answers.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import secretstorage
from jeepney.io.blocking import open_dbus_connection

_PASSWORD = b"of the keyring"


class SecretServiceRig:
    """``environment`` is the session's, for programs that are started in it."""

    def __init__(self, folder: Path) -> None:
        for name in ("home", "run"):
            (folder / name).mkdir(mode=0o700)
        self.environment = {"HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "run")}
        self.environment |= {"XDG_DATA_HOME": str(folder / "home" / "share"), "XDG_CURRENT_DESKTOP": ""}
        self._inherited = {
            name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}
        }
        self._bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={_bus_without_services(folder)}", "--nofork", "--print-address=1"], env=self._whole(),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._bus.stdout is not None
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self._bus.stdout.readline().strip()
        self._daemon: subprocess.Popen[bytes] | None = None

    def _whole(self) -> dict[str, str]:
        return {**self._inherited, **self.environment}

    def unlock(self) -> None:
        """Start the daemon, or replace the one that runs, with the password of its person."""
        self.kill()
        command = ["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"]
        self._daemon = subprocess.Popen(
            command, env=self._whole(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._daemon.stdin is not None
        assert self._daemon.stdout is not None
        self._daemon.stdin.write(_PASSWORD)
        self._daemon.stdin.close()
        self._daemon.stdout.readline()  # it says where its socket is once it has its name on the bus

    @contextlib.contextmanager
    def _connected(self) -> Iterator[secretstorage.Collection]:
        with contextlib.closing(open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"])) as connection:
            yield secretstorage.Collection(connection)

    def lock(self) -> None:
        with self._connected() as collection:
            collection.lock()

    def entries(self) -> list[str]:
        """Return what the entries are called, which says no secret."""
        with self._connected() as collection:
            return [item.get_label() for item in collection.get_all_items()]

    def hang(self) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            assert self._daemon.stdout is not None
            self._daemon.stdout.close()
            self._daemon = None

    def end(self) -> None:
        self.kill()
        self._bus.kill()
        self._bus.communicate()


def _bus_without_services(folder: Path) -> Path:
    """Write how the bus is to be: it starts nobody, so what is killed stays away."""
    file = folder / "bus.conf"
    file.write_text(
        f"<busconfig><type>session</type><listen>unix:dir={folder}</listen>"
        '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
        '<allow own="*"/></policy></busconfig>'
    )
    return file
