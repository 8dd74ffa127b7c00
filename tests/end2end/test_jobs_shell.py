"""A shell in a running job, typed into a real terminal whose size changes; also where the image holds no shell."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.images import bare_image, busybox_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

JOB = """
apiVersion: mlops-desk/v1
kind: Job
name: open
image: {image}
command: [/bin/sleep, "600"]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data")
    yield desk
    for job in desk.json("jobs", "list"):
        desk.run("jobs", "cancel", job["id"], check=False)
        desk.wait(lambda job=job: desk.json("jobs", "show", job["id"])["state"], lambda state: state != "running")
    desk.stop()


class Terminal:
    """A terminal in which a command runs."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._main, side = pty.openpty()
        self.resize(24, 80)
        self.process = subprocess.Popen(
            command, stdin=side, stdout=side, stderr=side, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one call of the kernel
        )  # fmt: skip
        os.close(side)
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, line: str) -> None:
        os.write(self._main, f"{line}\r".encode())

    def wait(self, text: str, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._main], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._main, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        assert text in self.shown, self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._main)


@pytest.mark.parametrize("image", [busybox_image, bare_image])
def test_a_job_that_is_there_for_its_shells_waits_for_them_and_ends_when_it_is_cancelled(
    desk: Desk, tmp_path: Path, image
) -> None:
    spec = JOB.format(image=image()).replace('command: [/bin/sleep, "600"]\n', "type: shell\n")
    (tmp_path / "job.yaml").write_text(spec)
    job = desk.json("jobs", "submit", str(tmp_path / "job.yaml"))
    desk.wait(lambda: desk.json("jobs", "show", job["id"])["state"], lambda state: state == "running")
    time.sleep(2)
    assert desk.json("jobs", "show", job["id"])["state"] == "running"
    assert desk.json("jobs", "shell", job["id"])["container"].endswith(f"-{job['id']}-a1")
    desk.json("jobs", "cancel", job["id"])
    desk.wait(lambda: desk.json("jobs", "show", job["id"])["state"], lambda state: state == "cancelled")


@pytest.mark.parametrize("image", [busybox_image, bare_image])
def test_a_shell_in_a_running_job_with_a_terminal_that_changes_its_size(desk: Desk, tmp_path: Path, image) -> None:
    (tmp_path / "job.yaml").write_text(JOB.format(image=image()))
    job = desk.json("jobs", "submit", str(tmp_path / "job.yaml"))
    desk.wait(lambda: desk.json("jobs", "show", job["id"])["state"], lambda state: state == "running")
    command = [sys.executable, "-m", "mlops_desk", "jobs", "shell", job["id"]]
    terminal = Terminal(command, {**desk.whole_environment(), "TERM": "xterm"})
    try:
        terminal.wait(f"-{job['id']}-a1")
        terminal.type("echo in-$MLD_JOB_ID; stty size; id -u")
        terminal.wait(f"in-{job['id']}")
        terminal.wait("24 80")
        terminal.wait(str(os.getuid()))
        terminal.resize(50, 132)
        terminal.process.send_signal(28)  # SIGWINCH: the kernel sends it to the terminal's foreground
        time.sleep(0.5)
        terminal.type("stty size")
        terminal.wait("50 132")
        terminal.type("exit 7")
        assert terminal.process.wait(240) == 7
    finally:
        terminal.close()
    assert desk.json("jobs", "show", job["id"])["state"] == "running"
    entries = desk.json("audit")
    assert [entry["verb"] for entry in entries if "shell" in json.dumps(entry)][:1] == ["jobs.shell"]


def test_what_does_not_run_has_no_shell(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB.format(image=busybox_image()) + "beginAt: 2099-01-01T00:00:00Z\n")
    job = desk.json("jobs", "submit", str(tmp_path / "job.yaml"))
    done = desk.run("jobs", "shell", job["id"], check=False)
    assert done.returncode != 0
    assert "only in what runs" in done.stderr
