"""What engines have said of containers that they did not start, as written (said.json), and what is told of it."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.docker.connection import from_engine
from mlops_desk.engines.engine import EngineRefused, Obstacle
from mlops_desk.jobs.failure_causes.judge import words_for
from mlops_desk.jobs.runtimes.start_failures import FAILURES, START_CLASSES, START_FAILED, start_failure
from mlops_desk.kit.base.errors import NotFound

SAID = json.loads((Path(__file__).parent / "said.json").read_text())
"""From Docker 26.1.5 (runc 1.1.15) and Podman 5.4.2 (with runc, and with crun 1.21), each with the case's name."""

CLASSES = {
    "command_path": "start_command_missing", "command_name": "start_command_missing",
    "folder_as_command": "start_not_executable", "not_executable": "start_not_executable",
    "workdir_file": "start_workdir", "workdir_relative": "start_workdir",
    "mount_missing": "start_mount_missing", "mount_relative": "start_mount_missing",
    "mount_dir_on_file": "start_mount_misfit", "mount_file_on_dir": "start_mount_misfit",
    "mount_twice": "start_mount_misfit", "mount_under_ro": "start_mount_misfit", "mount_on_proc": "start_mount_misfit",
    "device_missing": "start_device", "runtime_unknown": "start_runtime", "cdi_unknown": "start_gpu",
    "memory_least": "start_memory_limit", "memory_six": "start_memory_limit", "memory_swap": "start_memory_limit",
    "user_name": "start_user_unknown", "user_group": "start_user_unknown", "user_number": "start_user_unknown",
    "apparmor": "start_confinement", "seccomp_bad": "start_confinement", "security_option": "start_confinement",
    "capability": "start_confinement", "cpus_many": "start_cpus", "cpuset": "start_cpus", "cpuset_mems": "start_cpus",
    "network": "start_network", "ulimit": "start_file_limit", "ulimit_order": "start_file_limit",
    "tmpfs_bad": "start_option_refused", "storage_opt": "start_option_refused", "port_taken": "start_port_taken",
    "image_gone": "start_image_damaged", "env_bad": "start_arguments",
}  # fmt: skip
OTHERWISE = {
    ("docker, runc", "workdir_file"): "start_mount_misfit",  # the case mounts a file where the engine made a folder
    ("docker, runc", "seccomp_deny"): "start_ended_at_once",
    ("podman, runc", "seccomp_deny"): "start_confinement", ("podman, crun", "seccomp_deny"): "start_confinement",
    ("podman, runc", "sysctl"): "start_option_refused", ("podman, crun", "sysctl"): "start_option_refused",
    ("podman, runc", "log_driver"): "start_option_refused", ("podman, crun", "log_driver"): "start_option_refused",
}  # fmt: skip

NO_NETAVARK = (
    'could not find "netavark" in one of [/usr/local/libexec/podman /usr/local/lib/podman /usr/libexec/podman '
    "/usr/lib/podman].  To resolve this error, set the helper_binaries_dir key in the `[engine]` section of "
    "containers.conf to the directory containing your helper binaries."
)
# What can't be had from the engines here, as their sources and their users' reports have it.
ELSEWHERE = [
    ("start_wrong_architecture", "OCI runtime create failed: exec /train: exec format error: unknown"),
    ("start_port_taken", "Bind for 127.0.0.1:8888 failed: port is already allocated"),
    ("start_mount_closed", 'error mounting "/mnt/share/x" to rootfs at "/data": stat /mnt/share/x: permission denied'),
    ("start_mount_closed", "crun: cannot stat `/mnt/fuse`: Transport endpoint is not connected: OCI runtime error"),
    ("start_mount_missing", "statfs /data/imagenet: no such file or directory"),
    ("start_memory_limit", "runc create failed: container init was OOM-killed (memory limit too low?): unknown"),
    ("start_gpu", "error running hook: exit status 1: nvidia-container-cli: device error: GPU-9: unknown device"),
    ("start_machine_full", "fork/exec /proc/self/exe: resource temporarily unavailable: unknown"),
    ("start_machine_full", "fork/exec /usr/bin/containerd-shim-runc-v2: cannot allocate memory: unknown"),
    ("start_no_room", "mkdir /var/lib/docker/overlay2/x: disk quota exceeded"),
    ("start_name_taken", 'Conflict. The container name "/mld-1" is already in use by container "ab12".'),
    # Podman 5.4.2 without one of what it only recommends.
    ("start_network_tool", "netavark: nftables error: unable to execute nft: No such file or directory (os error 2)"),
    ("start_network_tool", NO_NETAVARK),
    ("start_network", "failed to create endpoint x on network bridge: adding interface veth1 to bridge docker0 failed"),
    ("start_image_damaged", "error creating overlay mount to /var/lib/docker/overlay2/x/merged: input/output error"),
    ("start_runtime", 'failed to start shim: exec: "containerd-shim-runc-v2": not found'),
    ("start_cgroup", "cgroups: cgroup mountpoint does not exist: unknown"),
    ("start_arguments", "runc create failed: argument list too long"),
    ("start_slow", "failed to create task for container: context deadline exceeded: unknown"),
    ("start_command_missing", 'process caused "exec: \\"nope\\": executable file not found in $PATH": unknown'),
]  # fmt: skip


@pytest.mark.parametrize("one", SAID, ids=[f"{one['engine']}-{one['case']}" for one in SAID])
def test_what_engines_said_is_told_as_what_it_means(one) -> None:
    expected = OTHERWISE.get((one["engine"], one["case"])) or CLASSES.get(one["case"], START_FAILED)
    reason = start_failure(one["said"])
    assert reason.class_ == expected
    assert reason.evidence
    assert reason.evidence in one["said"]
    assert "{" not in reason.text
    assert 0 < len(reason.title or "") <= 40
    assert expected == START_FAILED or reason.hint


@pytest.mark.parametrize(("expected", "said"), ELSEWHERE)
def test_what_other_machines_have_said_is_told_too(expected, said) -> None:
    assert start_failure(said).class_ == expected


def test_every_cause_is_seen_in_these_tests() -> None:
    seen = {*CLASSES.values(), *OTHERWISE.values(), *(class_ for class_, _ in ELSEWHERE)}
    assert seen >= START_CLASSES
    assert len(START_CLASSES) == len(FAILURES) == 27


@pytest.mark.parametrize(
    ("case", "named"),
    [
        ("command_path", "/nope/train"), ("command_name", "train"), ("not_executable", "/x"), ("user_name", "ada"),
        ("mount_missing", "/nope/data"), ("device_missing", "/dev/nope"), ("mount_twice", "/a"), ("port_taken", ""),
    ],
)  # fmt: skip
def test_the_thing_in_question_is_named(case, named) -> None:
    texts = [start_failure(one["said"]).text for one in SAID if one["case"] == case]
    assert texts
    for text in texts:
        assert named in text
        assert "does not name it" not in text


@pytest.mark.parametrize("tool", ["nft", "netavark"])
def test_a_network_tool_that_is_missing_is_named_with_what_brings_it(tool) -> None:
    (said,) = [
        said for class_, said in ELSEWHERE if class_ == "start_network_tool" and f" {tool}" in said.replace('"', " ")
    ]
    reason = start_failure(said)
    assert reason.text == f"Podman could not make the job's network: {tool} is missing on this machine."
    assert "sudo apt-get install nftables" in (reason.hint or "")
    assert tool in reason.evidence


@given(command=st.text(min_size=1, max_size=300))
@example(command="no space left on device")
@example(command='could not select device driver "')
@example(command="x" * 5000)
@example(command="unresolvable CDI devices\\")
def test_a_command_with_any_name_is_a_command_that_is_missing(command: str) -> None:
    """Engines repeat it within quotes: nothing that it says is taken for the engine's word, least that it waits."""
    said = f"runc create failed: exec: {json.dumps(command)}: executable file not found in $PATH: unknown"
    error = from_engine(400, said, "Starting")
    assert isinstance(error, EngineRefused)
    reason = start_failure(error.said)
    assert reason.class_ == "start_command_missing"
    assert len(reason.evidence) < 1100 * 10  # each character may need ten to be shown
    assert "executable file not found" in reason.evidence


def test_the_word_of_old_times_still_matches_each_of_them() -> None:
    for class_ in START_CLASSES:
        assert words_for(class_) == (class_, "start_failed")
        assert class_.startswith("start_")
    assert words_for("start_failed") == ("start_failed",)
    assert words_for("command_missing") == ("command_missing", "exit_nonzero")


def test_a_network_that_is_gone_is_no_container_that_is_gone() -> None:
    """Else the container would be made again for ever."""
    error = from_engine(404, "network bridge not found", "Starting")
    assert isinstance(error, EngineRefused)
    assert isinstance(from_engine(404, "No such container: x", "Starting"), NotFound)
    assert isinstance(
        from_engine(500, 'lookup init binary: exec: "catatonit": executable file not found', "x"), Obstacle
    )
