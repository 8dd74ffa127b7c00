"""The wrapper, run by the shells that images hold."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.runtimes.local.folder import AttemptFolder

BUSYBOX = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
# The desk's own shell, and those that images hold.
OWN = ["own", "sh"]
SHELLS = [OWN, *(shell for shell in (["dash"], ["busybox", "sh"], ["bash"]) if shutil.which(shell[0]))]


class Box:
    """A job's folders outside any container: the wrapper's fixed paths are pointed at them."""

    def __init__(self, root, gpus=(), minors=()):
        self.root = root
        self.folder = AttemptFolder(root, "job", Attempt(1, "job-a1", "c", JobState.STARTING, tuple(gpus)))
        self.folder.prepare(os.getuid(), os.getgid(), minors=minors)
        self.bin = root / "bin"
        self.bin.mkdir()
        inside = self.folder.path / "in"
        script = (inside / "wrapper.sh").read_text().replace("/mlops-desk/", f"{self.folder.path}/")
        script = script.replace("DEV=/dev\n", f"DEV={root}/dev\n")
        script = script.replace("DRIVER=/proc/driver/nvidia/gpus", f"DRIVER={root}/driver")
        script = script.replace("LOGINS=/run/mlops-desk\n", f"LOGINS={root}/logins\n")
        (root / "logins").mkdir()
        (root / "logins" / "token").write_text("s3cr3t\n")
        self.home = root / "home"
        (self.home / ".mlflow").mkdir(parents=True)
        (self.home / ".mlflow" / "credentials").touch()
        self.environment = {"HOME": str(self.home)}
        self.script = root / "wrapper.sh"
        self.script.write_text(script)

    def program(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def device(self, *names):
        for name in names:
            (self.root / "dev").mkdir(exist_ok=True)
            (self.root / "dev" / name).touch()

    def driver_file(self, uuid, minor):
        """What the driver shows of a GPU in the container's /proc."""
        folder = self.root / "driver" / f"0000:{minor:02x}:00.0"
        folder.mkdir(parents=True)
        text = f"Model: \t\t NVIDIA H100 80GB HBM3\nGPU UUID: \t {uuid}\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n"
        (folder / "information").write_text(text)

    def start(self, shell, *command, path=None):
        environment = {**self.environment, "PATH": path if path is not None else f"{self.bin}:{os.environ['PATH']}"}
        if shell is OWN:
            own = self.folder.path / "busybox"
            shutil.copy2(BUSYBOX, own)
            shell = [str(own), "sh"]
        else:
            shell = [shutil.which(shell[0]), *shell[1:]]
        return subprocess.Popen(
            [*shell, str(self.script), *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def run(self, shell, *command, path=None):
        process = self.start(shell, *command, path=path)
        output, _ = process.communicate(timeout=20)
        return process.returncode, output, self.folder.outcome()


@pytest.fixture(params=SHELLS, ids="-".join)
def shell(request):
    return request.param


def test_some_shell_is_there():
    assert SHELLS


@pytest.mark.parametrize("code", [0, 3, 127, 255])
def test_the_commands_own_exit_code_is_written_and_returned(tmp_path, shell, code):
    returned, _, outcome = Box(tmp_path).run(shell, "sh", "-c", f"exit {code}")
    assert returned == code
    assert (outcome.exit_code, outcome.signal, outcome.gpu_proof) == (code, None, "none")
    assert abs(outcome.ended_at - time.time()) < 60
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert up - 60 < outcome.started_uptime <= outcome.ended_uptime <= up


def test_arguments_arrive_unchanged(tmp_path, shell):
    command = ["sh", "-c", 'printf "%s|" "$@"', "x", "a b", "", "$HOME", "-n", "é\n"]
    _, output, _ = Box(tmp_path).run(shell, *command)
    assert output == "a b||$HOME|-n|é\n|"


def test_the_token_is_in_the_environment_only_where_no_file_can_stand_for_it(tmp_path, shell):
    box = Box(tmp_path)
    command = ["sh", "-c", 'printf "%s" "<$MLFLOW_TRACKING_TOKEN>"']
    assert box.run(shell, *command)[1] == "<>"
    box.environment["MLD_TOKEN_IN_ENV"] = "1"
    assert box.run(shell, *command)[1] == "<s3cr3t>"
    del box.environment["MLD_TOKEN_IN_ENV"]
    (box.home / ".mlflow" / "credentials").unlink()
    assert box.run(shell, *command)[1] == "<s3cr3t>"
    del box.environment["HOME"]
    assert box.run(shell, *command)[1] == "<s3cr3t>"
    (tmp_path / "logins" / "token").unlink()
    assert box.run(shell, *command)[1] == "<>"


@pytest.mark.slow
@pytest.mark.parametrize("programs", [None, ""])
def test_a_held_command_begins_only_when_it_is_let_go(tmp_path, shell, programs):
    """Also in an image that holds the shell and nothing that sleeps."""
    box = Box(tmp_path)
    box.folder.prepare(os.getuid(), os.getgid(), held=True)
    assert box.folder.is_held()
    path = None if programs is None else str(tmp_path / "empty")
    process = box.start(shell, "/bin/sh", "-c", "echo begun", path=path)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.5)
    assert box.folder.outcome() is None
    box.folder.let_go()
    assert process.communicate(timeout=20)[0] == "begun\n"
    assert not box.folder.is_held()
    box.folder.let_go()


def test_a_held_command_can_be_stopped(tmp_path, shell):
    box = Box(tmp_path)
    box.folder.prepare(os.getuid(), os.getgid(), held=True)
    process = box.start(shell, "/bin/sh", "-c", "echo begun")
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.3)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == -signal.SIGTERM


def test_a_command_that_is_not_there(tmp_path, shell):
    returned, _, outcome = Box(tmp_path).run(shell, "no-such-program")
    assert returned == outcome.exit_code == 127


def test_the_desks_shell_runs_the_images_programs_and_none_of_its_own(tmp_path):
    box = Box(tmp_path)
    for name in ("ls", "sh", "echo", "prove", "now", "true"):
        box.program(name, f'builtin_of_no_shell=1\nexec /bin/echo the image\\\'s {name}: $0 "$@"')
        _, output, outcome = box.run(OWN, name, "a b", path=str(box.bin))
        assert output == f"the image's {name}: {box.bin / name} a b\n"
        assert outcome.exit_code == 0


def test_the_desks_shell_leaves_nothing_in_the_commands_environment(tmp_path):
    box = Box(tmp_path)
    _, output, _ = box.run(OWN, "env")
    found = {line.partition("=")[0] for line in output.splitlines()}
    assert found - {"PWD"} == {"PATH", "HOME"}


def test_a_program_keeps_the_name_it_was_called_by(tmp_path):
    box = Box(tmp_path)
    (box.bin / "python-by-name").symlink_to(sys.executable)
    line = "import pathlib; print(pathlib.Path('/proc/self/cmdline').read_bytes().split(b'\\0')[0].decode())"
    _, output, _ = box.run(OWN, "python-by-name", "-c", line, path=str(box.bin))
    assert output == "python-by-name\n"


def test_the_command_may_be_interrupted(tmp_path, shell):
    line = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    _, output, _ = Box(tmp_path).run(shell, sys.executable, "-c", line)
    assert output == "True\n"


def test_an_image_that_holds_nothing_but_the_shell(tmp_path, shell):
    (tmp_path / "empty").mkdir()
    returned, _, outcome = Box(tmp_path).run(shell, "/bin/sh", "-c", "exit 4", path=str(tmp_path / "empty"))
    assert returned == outcome.exit_code == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_the_command_and_its_children_which_may_take_their_time(tmp_path, shell, number):
    ready = tmp_path / "ready"
    child = f"trap 'echo child > {tmp_path}/child; exit' TERM; : > {ready}; while :; do sleep 0.05; done"
    trap = "trap 'wait; sleep 0.2; echo saved; exit 7' TERM"
    wait = f"while [ ! -e {ready} ]; do sleep 0.05; done; echo up; while :; do sleep 0.05; done"
    command = f'(sh -c "{child}") & {trap}; {wait}'
    box = Box(tmp_path)
    process = box.start(shell, "sh", "-c", command)
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert "saved" in output
    assert (tmp_path / "child").read_text() == "child\n"
    assert process.returncode == 7
    outcome = box.folder.outcome()
    assert (outcome.exit_code, outcome.signal) == (7, number.name.removeprefix("SIG"))


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP])
def test_a_word_reaches_the_command_and_its_children_as_it_is_and_is_no_stop(tmp_path, shell, number):
    name = number.name.removeprefix("SIG")
    ready = tmp_path / "ready"
    child = (
        f"trap 'echo child > {tmp_path}/child' {name}; : > {ready}; until [ -e {tmp_path}/child ]; do sleep 0.05; done"
    )
    script = f"trap 'echo saved' {name}; sh -c {child!r} & wait; wait; exit 9"
    box = Box(tmp_path)
    process = box.start(shell, "sh", "-c", script)
    while not ready.exists():
        time.sleep(0.02)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert "saved" in output.splitlines()
    assert (tmp_path / "child").read_text() == "child\n"
    outcome = box.folder.outcome()
    assert (process.returncode, outcome.exit_code, outcome.signal) == (9, 9, None)


def test_two_stops_in_a_row_do_not_lose_the_exit_code(tmp_path, shell):
    box = Box(tmp_path)
    process = box.start(
        shell,
        "sh",
        "-c",
        "trap 'echo got' TERM; echo up; i=0; while [ $i -lt 10 ]; do sleep 0.05; i=$((i+1)); done; exit 9",
    )
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert (process.returncode, box.folder.outcome().exit_code) == (9, 9)


def test_a_full_or_closed_folder_does_not_change_how_the_command_ended(tmp_path, shell):
    box = Box(tmp_path)
    shutil.rmtree(box.folder.path / "out")
    returned, _, outcome = box.run(shell, "sh", "-c", "exit 5")
    assert (returned, outcome) == (5, None)


@pytest.mark.parametrize(
    ("leased", "listing", "proof"),
    [
        (["GPU-a"], "GPU 0: X (UUID: GPU-a)", "uuid"),
        (["GPU-a", "GPU-b"], "GPU 0: X (UUID: GPU-b)\nGPU 1: X (UUID: GPU-a)", "uuid"),
        (["GPU-a"], "GPU 0: X (UUID: GPU-a)\nGPU 1: X (UUID: GPU-b)", "failed"),
        (["GPU-a"], "GPU 0: X (UUID: GPU-ab)", "failed"),
        (["GPU-a"], "Failed to initialize NVML: Unknown Error", "failed"),
        (["MIG-1"], "GPU 0: X (UUID: GPU-a)\n  MIG 1g.10gb Device 0: (UUID: MIG-1)", "uuid"),
        (["MIG-1"], "GPU 0: X (UUID: GPU-a)\n  MIG 1g.10gb Device 0: (UUID: MIG-2)", "failed"),
    ],
)
def test_visible_gpus_are_held_against_the_leased_ones(tmp_path, shell, leased, listing, proof):
    box = Box(tmp_path, leased)
    box.program("nvidia-smi", f'[ "$1" = -L ] && printf "%s\\n" "{listing}"')
    returned, output, outcome = box.run(shell, "echo", "started")
    assert outcome.gpu_proof == proof
    assert returned == (0 if proof == "uuid" else 96)
    assert ("started\n" in output.splitlines(keepends=True)) is (proof == "uuid")
    assert box.folder.proof() == (None if proof == "failed" else "uuid")


def run_bare(box, shell):
    """In an image without nvidia-smi, and with no other program either."""
    (box.root / "empty").mkdir()
    returned, _, outcome = box.run(shell, "/bin/true", path=str(box.root / "empty"))
    assert returned == (96 if outcome.gpu_proof == "failed" else 0)
    assert box.folder.proof() == (None if outcome.gpu_proof == "failed" else outcome.gpu_proof)
    return outcome


def test_where_nothing_tells_nothing_is_proved_and_the_command_runs(tmp_path, shell):
    assert run_bare(Box(tmp_path, ["GPU-a"]), shell).gpu_proof == "none"


@pytest.mark.parametrize(
    ("there", "proof"),
    [
        (["nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"], "minor"),
        (["nvidia0"], "failed"),
        (["nvidia0", "nvidia1", "nvidia3"], "failed"),
        (["nvidia0", "nvidia30"], "failed"),
        ([], "failed"),  # what Podman makes of a request that it does not know: a job on the processor
    ],
)
def test_device_files_are_held_against_the_leased_gpus(tmp_path, shell, there, proof):
    box = Box(tmp_path, ["GPU-a", "GPU-b"], minors=[3, 0])
    box.device(*there)
    outcome = run_bare(box, shell)
    assert outcome.gpu_proof == proof
    assert outcome.visible_gpus.split() == sorted(f"/dev/{name}" for name in there if name[6:].isdecimal())


@pytest.mark.parametrize(
    ("shown", "there", "proof"),
    [
        ([("GPU-b", 3), ("GPU-a", 0)], [], "uuid"),  # NVIDIA's hook shows the container's GPUs alone
        ([("GPU-a", 0), ("GPU-b", 3), ("GPU-c", 1)], ["nvidia0", "nvidia3"], "minor"),  # CDI shows all
        ([("GPU-a", 0), ("GPU-b", 3), ("GPU-c", 1)], ["nvidia0", "nvidia1"], "failed"),
        ([("GPU-a", 0), ("GPU-c", 1)], ["nvidia0", "nvidia1"], "failed"),  # one is gone
        ([("GPU-????????-????", 0), ("GPU-b", 3)], ["nvidia0", "nvidia3"], "none"),  # the driver sleeps
    ],
)
def test_the_drivers_files_tell_uuids_and_device_files(tmp_path, shell, shown, there, proof):
    box = Box(tmp_path, ["GPU-a", "GPU-b"])
    for uuid, minor in shown:
        box.driver_file(uuid, minor)
    box.device(*there)
    assert run_bare(box, shell).gpu_proof == proof


def test_a_slice_is_not_proven_by_the_files_of_its_gpu(tmp_path, shell):
    box = Box(tmp_path, ["MIG-1"])
    box.driver_file("GPU-a", 0)
    assert run_bare(box, shell).gpu_proof == "none"


def test_a_job_without_gpus_has_nothing_to_prove(tmp_path, shell):
    box = Box(tmp_path)
    box.device("nvidia0")
    _, _, outcome = box.run(shell, "true")
    assert (outcome.gpu_proof, box.folder.proof()) == ("none", None)


@pytest.mark.parametrize("word", ["uuid\n", "none", "failed\n", "uuid uuid", "", "x" * 5000, "ü"])
def test_a_job_can_put_no_other_word_in_its_proofs_place(tmp_path, word):
    box = Box(tmp_path)
    (box.folder.out / "proof").write_text(word)
    assert box.folder.proof() == {"uuid\n": "uuid", "none": "none"}.get(word)
    (box.folder.out / "proof").unlink()
    (box.folder.out / "proof").symlink_to("outcome.json")
    assert box.folder.proof() is None
    (box.folder.out / "proof").unlink()
    os.mkfifo(box.folder.out / "proof")
    assert box.folder.proof() is None


def test_the_outcome_is_json_whatever_the_driver_says(tmp_path, shell):
    box = Box(tmp_path, ["GPU-a"])
    box.program("nvidia-smi", "printf '%s\\n' 'x (UUID: a\"b\\\\c)'")
    box.run(shell, "true")
    assert json.loads((box.folder.path / "out" / "outcome.json").read_text())["gpu_proof"] == "failed"
