"""A private Podman service with GPUs that are not there: the second dialect, by CDI alone.

Podman has no daemon: ``podman system service`` answers on a socket and may end while containers go on. Everything
of it (images, containers, network configuration, CDI files) lies in one folder; nothing of the person's own Podman is
touched. Other tests import the fixture.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpu_engine import cdi_spec
from tests.images import engine_client
from tests.memory_folder import memory_folder

_CDI = Path("/run/cdi")  # Podman 5.4 looks nowhere else but there and in /etc/cdi, whatever its configuration says
_START_SECONDS = 240.0
_END_SECONDS = 60.0


class PrivatePodman:
    """A Podman service that a test may freeze, kill and start again. ``address`` is what clients use."""

    def __init__(self, folder: Path, gpu_count: int) -> None:
        self.folder = folder
        self.gpus = tuple(f"GPU-{number:08d}-0000-4000-9000-{os.getpid():012d}" for number in range(gpu_count))
        self.address = f"unix://{folder}/podman.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._write_files()

    def _write_files(self) -> None:
        for name in ("cdi", "networks", "hooks"):
            (self.folder / name).mkdir()
        (self.folder / "cdi/nvidia.json").write_text(json.dumps(cdi_spec(self.gpus)))
        lines = [
            "[engine]",
            'runtime = "runc"',
            'cgroup_manager = "cgroupfs"',
            'events_logger = "file"',
            f'hooks_dir = ["{self.folder}/hooks"]',
            f'tmp_dir = "{self.folder}/libpod"',
            f'volume_path = "{self.folder}/volumes"',
            "[containers]",
            'default_ulimits = ["nofile=1024:1024"]',  # builds get these, and a small machine can't raise its own
            "[network]",
            f'network_config_dir = "{self.folder}/networks"',
        ]
        (self.folder / "containers.conf").write_text("\n".join(lines) + "\n")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _command(self) -> str:
        """Return what the service's shell runs, in a mount namespace of its own."""
        podman = f"podman --root {self.folder}/root --runroot {self.folder}/run --storage-driver overlay"
        return (
            f"mkdir -p {_CDI} && mount --bind {self.folder}/cdi {_CDI}"
            f" && exec {podman} system service --time 0 {self.address}"
        )

    def start(self) -> None:
        environment = {**os.environ, "CONTAINERS_CONF": f"{self.folder}/containers.conf",
                       "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # should the tests be killed, the service ends too
                ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "slave", "sh", "-c", self._command()],
                env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text()[-3000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with engine_client(self.address) as client:
                return bool(client.ping())
        except Exception:  # noqa: BLE001 - it is not up yet, in one of many ways
            return False

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the service alone; its containers go on."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(number)
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_END_SECONDS)
            self._process = None

    def close(self) -> None:
        """End everything: containers, service, and the folder."""
        with contextlib.suppress(Exception), engine_client(self.address) as client:
            for container in client.containers(all=True):
                client.remove_container(container["Id"], force=True)
        self.end()
        subprocess.run(["umount", "-q", f"{self.folder}/root/overlay"], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def can_run() -> str | None:
    """Say why no private Podman can be run here; None when it can."""
    missing = [name for name in ("podman", "runc", "conmon", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return None if os.geteuid() == 0 else "a private Podman needs root"


@contextlib.contextmanager
def private_podman(gpu_count: int = 4) -> Iterator[PrivatePodman]:
    podman = PrivatePodman(Path(tempfile.mkdtemp(prefix="mlops-desk-test-podman-", dir=memory_folder())), gpu_count)
    try:
        podman.start()
        yield podman
    finally:
        podman.close()


@pytest.fixture(scope="session")
def podman() -> Iterator[PrivatePodman]:
    """A private Podman with four GPUs, one for all tests; whoever freezes it thaws it."""
    reason = can_run()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    with private_podman() as one:
        yield one
