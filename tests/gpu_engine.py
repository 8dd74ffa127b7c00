"""A private Docker engine with GPUs that are not there, for tests of GPU jobs and of engines that fail.

It runs in a network and a mount namespace of its own, so that it neither touches the machine's
engine (a second one in the same network takes docker0 away from the first) nor leaves mounts behind.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import engine_client
from tests.memory_folder import memory_folder

_HOOK = Path(__file__).with_name("fake_nvidia_hook.py")
_START_SECONDS = 240.0
_END_SECONDS = 60.0


class PrivateEngine:
    """An engine that a test may freeze, kill and restart. ``address`` is what clients use."""

    def __init__(self, folder: Path, gpu_count: int, *, by_cdi: bool = False) -> None:
        self.by_cdi = by_cdi
        self.folder = folder
        self.gpus = tuple(f"GPU-{number:08d}-0000-4000-8000-{os.getpid():012d}" for number in range(gpu_count))
        # Not in memory with the rest: what lies in /dev/shm is refused as a mount for another reason.
        self._door = Path(tempfile.mkdtemp(prefix="mlops-desk-test-socket-"))
        self.socket = self._door / "engine.sock"
        self.address = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self._write_files()

    def _write_files(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        hook = programs / "nvidia-container-runtime-hook"
        hook.write_text(f"#!{sys.executable}\n{_HOOK.read_text()}")
        hook.chmod(0o755)
        (programs / "gpus").write_text("\n".join(self.gpus) + "\n")
        configuration = {
            "hosts": [self.address],
            "data-root": f"{self.folder}/data",
            "exec-root": f"{self.folder}/exec",
            "pidfile": f"{self.folder}/pid",
            "live-restore": True,
            "runtimes": {"nvidia": {"path": shutil.which("runc")}},
        }
        if self.by_cdi:
            (self.folder / "cdi").mkdir()
            (self.folder / "cdi/nvidia.json").write_text(json.dumps(cdi_spec(self.gpus)))
            configuration |= {"features": {"cdi": True}, "cdi-spec-dirs": [f"{self.folder}/cdi"], "runtimes": {}}
            hook.unlink()
        (self.folder / "daemon.json").write_text(json.dumps(configuration))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        command = f"ip link set lo up && exec dockerd --config-file {self.folder}/daemon.json"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # Should the tests be killed, the engine ends too.
                [
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    "unshare",
                    "--net",
                    "--mount",
                    "--propagation",
                    "slave",
                    "sh",
                    "-c",
                    command,
                ],
                env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
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

    @contextlib.contextmanager
    def open_to_all(self) -> Iterator[None]:
        """Let users speak to it as members of its group do on a real machine."""
        self._door.chmod(0o711)
        self.socket.chmod(0o666)
        yield
        self._door.chmod(0o700)
        self.socket.chmod(0o660)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the engine alone; its containers go on."""
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
        """End everything: containers, engine, the containerd it left, and the folder."""
        with contextlib.suppress(Exception), engine_client(self.address) as client:
            for container in client.containers(all=True):
                client.remove_container(container["Id"], force=True)
        self.end()
        left = self.folder / "exec/containerd/containerd.pid"
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(left.read_text()), signal.SIGTERM)
        self.remove_folders(_END_SECONDS)

    def remove_folders(self, seconds: float) -> None:
        """Remove what is left on disk and in memory; tried again while something there is still mounted."""
        deadline = time.monotonic() + seconds
        for folder in (self.folder, self._door):
            while folder.exists() and time.monotonic() < deadline:
                shutil.rmtree(folder, ignore_errors=True)
                time.sleep(0.1)


def cdi_spec(uuids: tuple[str, ...]) -> dict[str, object]:
    """Return what NVIDIA's toolkit would write for GPUs that are not there, each named by its UUID."""

    def device(index: int, uuid: str) -> dict[str, object]:
        node = {"path": f"/dev/nvidia{index}", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3}
        return {"name": uuid, "containerEdits": {"deviceNodes": [node]}}

    devices = [device(index, uuid) for index, uuid in enumerate(uuids)]
    return {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": devices}


def can_run() -> str | None:
    """Say why no private engine can be run here; None when it can."""
    missing = [
        name for name in ("dockerd", "containerd", "runc", "setpriv", "unshare", "ip") if shutil.which(name) is None
    ]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return None if os.geteuid() == 0 else "a private engine needs root"


@contextlib.contextmanager
def private_engine(gpu_count: int = 4, *, by_cdi: bool = False) -> Iterator[PrivateEngine]:
    folder = Path(tempfile.mkdtemp(prefix="mlops-desk-test-engine-", dir=memory_folder()))
    engine = PrivateEngine(folder, gpu_count, by_cdi=by_cdi)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def gpu_engine() -> Iterator[PrivateEngine]:
    """A private engine with four GPUs, one for all tests; whoever freezes it thaws it."""
    reason = can_run()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    with private_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def cdi_engine() -> Iterator[PrivateEngine]:
    """One that hands the same GPUs over by CDI alone."""
    reason = can_run()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    with private_engine(by_cdi=True) as engine:
        yield engine
