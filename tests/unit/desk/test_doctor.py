"""The doctor's checks of the machine, each against a small machine of files: what is wrong, and a fix to paste."""

import grp
import os
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from mlops_desk.desk import doctor
from mlops_desk.engines.engine import EngineInfo
from mlops_desk.engines.fake import FakeEngine
from mlops_desk.jobs.runtimes.local.shell import HostShell
from mlops_desk.kit.base.disk import paths
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.records.agent import AgentCost, AgentInfo, Check
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Disk, Host
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.registry.records.model import Registry

INFO = AgentInfo("0", 1.0, AgentCost(0.004, 90 << 20, 0.002), 1, "/d", "i")
STATUS = Status(
    (), Host("h"), (), (), INFO, 1.0, gpu_note="No NVIDIA driver is loaded.", gpu_hint=Hint("modprobe nvidia")
)
KERNEL = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (dvs-builder)\nGCC version: 12\n"


def write(root: Path, path: str, text: str = "") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


def drive(root: Path, kernel: str | None, library: str | None) -> Check:
    if kernel:
        write(root, "proc/driver/nvidia/version", KERNEL.format(kernel))
    if library:
        real = write(root, f"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{library}")
        (real.parent / "libnvidia-ml.so.1").symlink_to(real.name)
    return doctor.library_check(root)


@pytest.mark.parametrize(
    ("kernel", "library", "state"),
    [
        ("580.65.06", "580.65.06", "ok"),
        ("570.12", "580.65.06", "problem"),
        (None, "580.65.06", "warning"),
        ("580.65.06", None, "unknown"),
        (None, None, "ok"),
    ],
)
def test_a_driver_that_was_upgraded_under_a_running_kernel_is_told(tmp_path, kernel, library, state):
    check = drive(tmp_path, kernel, library)
    assert check.state == state
    assert (check.fix is not None) is (state in {"problem", "warning"})


def test_a_machine_without_a_shell_for_containers_says_which_jobs_suffer_and_what_to_paste():
    assert doctor.shell_check(HostShell(Path("/usr/bin/busybox"), "amd64")).state == "ok"
    check = doctor.shell_check(None)
    assert (check.state, check.fix) == ("warning", "sudo apt-get install busybox-static")
    assert "without a shell" in check.text


def test_a_fix_is_a_line_to_paste_and_a_sentence_belongs_to_the_text():
    assert doctor.gpu_check(STATUS).fix == "modprobe nvidia"
    check = doctor.gpu_check(replace(STATUS, gpu_hint="Everything but GPU jobs works without one."))
    assert (check.fix, check.state) == (None, "problem")
    assert check.text == "No NVIDIA driver is loaded. Everything but GPU jobs works without one."
    check = doctor.gpu_check(replace(STATUS, gpu_hint=Hint("my-tool", before="Load it: ", after=" or restart.")))
    assert (check.fix, check.text) == ("my-tool", "No NVIDIA driver is loaded. Load it: my-tool or restart.")


@pytest.mark.parametrize(
    ("free", "paused", "state", "told"),
    [
        (3 << 30, None, "ok", "3.0 GiB free"),
        (1 << 30, None, "warning", "1024 MiB free"),
        (300 << 10, None, "problem", "changes are refused"),
        (0, "The history is paused. Full.", "problem", "freed. The history is paused. Full."),
        (3 << 30, "The history is paused. No.", "problem", "3.0 GiB free. The history is paused. No."),
        (None, None, "unknown", "not known"),
    ],
)
def test_a_data_folder_that_takes_nothing_more_is_a_problem_with_a_fix(free, paused, state, told):
    check = doctor.space_check(Path("/my data"), free, paused)
    assert (check.state, told in check.text) == (state, True)
    assert (check.fix is not None) is (state in {"warning", "problem"})
    assert "'/my data'" in (check.fix or "'/my data'")


def test_device_files_that_may_not_be_opened_are_named(tmp_path, monkeypatch):
    assert doctor.devices_check(tmp_path).state == "ok"
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-caps", "nvidia.txt"):
        write(tmp_path, f"dev/{name}")
    assert doctor.devices_check(tmp_path).text == "all 3 device files can be opened"
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: path.name != "nvidia1" or mode == doctor.os.F_OK)
    check = doctor.devices_check(tmp_path)
    assert (check.state, "/dev/nvidia1" in check.text) == ("problem", True)
    assert check.fix


def mounts(root: Path, *rows: tuple[str, str]) -> Path:
    lines = [f"{n} 1 0:{n} / {mount} rw,relatime shared:1 - {kind} source rw" for n, (mount, kind) in enumerate(rows)]
    return write(root, "mountinfo", "\n".join(lines))


@pytest.mark.parametrize(
    ("folder", "state"),
    [("/home/ada/x", "problem"), ("/srv/a b/x", "problem"), ("/tmp/x", "warning"), ("/homeless", "ok"), ("/", "ok")],
)
def test_a_data_folder_on_a_network_filesystem_is_refused(tmp_path, folder, state):
    known = mounts(tmp_path, ("/", "ext4"), ("/home", "nfs4"), ("/srv/a\\040b", "cifs"), ("/tmp", "tmpfs"))
    check = doctor.filesystem_check(Path(folder), known)
    assert check.state == state
    assert (check.fix is not None) is (state != "ok")


def test_a_mount_over_a_mount_counts(tmp_path):
    known = mounts(tmp_path, ("/", "ext4"), ("/data", "ext4"), ("/data", "nfs"))
    assert doctor.filesystem_of(Path("/data/x"), known) == "nfs"
    assert doctor.filesystem_check(Path("/x"), tmp_path / "nowhere").state == "unknown"


def test_an_agent_does_not_start_on_a_network_filesystem_unless_told_to(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "filesystem_of", lambda _folder: "nfs4")
    with pytest.raises(Refused, match="nfs4"):
        DataFolder(tmp_path / "data").make()
    assert not (tmp_path / "data").exists()
    monkeypatch.setenv(paths.ALLOW_ANY_FILESYSTEM, "1")
    DataFolder(tmp_path / "data").make()


def test_the_kernel_log_is_told_readable_or_not(tmp_path):
    assert doctor.kernel_log_check(tmp_path).state == "warning"
    write(tmp_path, "dev/kmsg")
    assert doctor.kernel_log_check(tmp_path).state == "ok"


def test_drives_whose_health_is_closed_are_named_with_a_fix():
    healthy = Disk("nvme0n1", metrics={"hw.disk.wear": Reading(0.1, "1")})
    closed = Disk("nvme1n1", note="needs permission")
    assert doctor.drives_check(replace(STATUS, disks=(healthy,))).state == "ok"
    check = doctor.drives_check(replace(STATUS, disks=(healthy, closed)))
    assert (check.state, "nvme1n1" in check.text, bool(check.fix)) == ("warning", True, True)
    assert doctor.drives_check(STATUS).state == "ok"


def test_udisks_tray_and_cost(tmp_path):
    assert doctor.udisks_check(tmp_path).fix
    write(tmp_path, "usr/libexec/udisks2/udisksd")
    assert doctor.udisks_check(tmp_path).state == "ok"
    gnome = {"DBUS_SESSION_BUS_ADDRESS": "x", "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}
    assert doctor.tray_check(gnome, tmp_path).state == "warning"
    write(tmp_path, "usr/share/gnome-shell/extensions/ubuntu-appindicators@ubuntu.com/x")
    assert doctor.tray_check(gnome, tmp_path).state == "ok"
    assert doctor.tray_check({**gnome, "XDG_CURRENT_DESKTOP": "KDE"}, tmp_path).state == "ok"
    assert doctor.tray_check({}, tmp_path).state == "unknown"
    assert "0.40\u202f%" in doctor.cost_check(STATUS).text
    dear = replace(STATUS, agent=replace(INFO, cost=AgentCost(0.2)))
    assert doctor.cost_check(dear).state == "warning"
    assert doctor.cost_check(replace(STATUS, agent=replace(INFO, cost=AgentCost()))).state == "unknown"


@pytest.mark.parametrize(
    ("mode", "gid", "state", "said"),
    [
        (0o600, 4711, "ok", "for its owner and root alone"),
        (0o660, 0, "ok", "for its owner and root alone"),
        (0o660, 4711, "ok", "group lab (ada, eve) may use"),
        (0o660, 4712, "ok", "group 4712 may use"),
        (0o666, 4711, "warning", "every user of this machine may use"),
    ],
)
def test_who_may_use_the_engine_is_told_for_no_token_keeps_them_out(tmp_path, monkeypatch, mode, gid, state, said):
    path = write(tmp_path, "engine.sock")
    path.chmod(mode)
    real = path.stat()
    shown = os.stat_result((real.st_mode, *real[1:5], gid, *real[6:]))
    monkeypatch.setattr(Path, "stat", lambda _path: shown)

    def group(number):
        return {4711: grp.struct_group(("lab", "x", 4711, ["ada", "eve"]))}[number]

    monkeypatch.setattr(doctor.grp, "getgrgid", group)
    info = EngineInfo("e", "1", "1.45", None, live_restore=True, address=f"unix://{path}")
    found = doctor.engine_users_check(info)
    assert (found.state, said in found.text) == (state, True), found.text
    assert ("is root by it" in found.text) == ("may use" in found.text)
    assert (found.fix is not None) == (state == "warning")
    if "may use" in said:
        assert "acts as its owner" in doctor.engine_users_check(replace(info, rootless=True)).text


def test_who_may_use_an_engine_elsewhere_is_not_known_here():
    info = EngineInfo("e", "1", "1.45", None, live_restore=True, address="tcp://far:2376")
    assert "that machine's to say" in doctor.engine_users_check(info).text


def test_the_processor_is_told_with_what_models_gain_from_it():
    status = replace(STATUS, host=Host("h", facts={"Processor": "AMD EPYC 9654"}))
    told = doctor.processor_check(("avx2", "avx512", "vnni", "bf16"), status)
    assert (told.state, told.text) == ("ok", "AMD EPYC 9654: avx2, avx512, vnni, bf16; int8 models gain from vnni")
    assert doctor.processor_check((), STATUS).text.startswith("its model is not told: the kernel names no instructions")


def test_all_checks_are_made_once_by_their_names_and_problems_come_with_a_fix(tmp_path):
    loop = Loop("test")
    more = {"metrics endpoint": lambda: Check("metrics endpoint", "ok", "off")}
    checks = doctor.examine(
        tmp_path, FakeEngine(), lambda: STATUS, lambda: Registry("stopped"), loop, more, lambda: None
    )
    names = [check.name for check in checks]
    assert len(names) == len(set(names))
    assert {"gpu driver", "driver library", "gpu permissions", "container engine", "gpus in containers", "data folder",
            "data filesystem", "model registry", "kernel log", "drive health", "udisks2", "telemetry cost", "screen",
            "processor", "engine users", "tray", "metrics endpoint"} <= set(names)  # fmt: skip
    assert all(check.fix for check in checks if check.state == "problem")
    assert next(check for check in checks if check.name == "gpu driver").state == "problem"
    loop.stop(5.0)


@pytest.mark.slow
def test_a_check_that_fails_or_hangs_costs_no_other_its_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_DEADLINE_SECONDS", 2.0)
    loop, over = Loop("test"), Event()

    def wrong() -> Check:
        raise ZeroDivisionError

    def hangs() -> Check:
        over.wait(20)
        return Check("hangs", "ok", "")

    more = {"wrong": wrong, "hangs": hangs, "last": lambda: Check("last", "ok", "")}
    checks = doctor.examine(
        tmp_path, FakeEngine(), lambda: STATUS, lambda: Registry("stopped"), loop, more, lambda: None
    )
    assert {check.name: check.state for check in checks[-3:]} == {"wrong": "unknown", "hangs": "unknown", "last": "ok"}
    over.set()
    loop.stop(5.0)


def test_memory_that_nobody_holds_is_a_problem_with_a_way_to_find_the_holder():
    free = Gpu("GPU-0", 0, "H100", None, GpuState.OK)
    held = Gpu("GPU-3", 3, "H100", None, GpuState.OK, held_by_nobody_bytes=70 << 30)
    assert doctor.memory_check(replace(STATUS, gpus=(free,))).state == "ok"
    check = doctor.memory_check(replace(STATUS, gpus=(free, held)))
    assert (check.state, check.fix) == ("problem", "sudo fuser -v /dev/nvidia3")
    assert "70.0\u202fGiB of GPU 3" in check.text
    assert "zombie" in check.text


@pytest.mark.parametrize(
    ("wall", "state"), [("landlock", "ok"), ("namespace", "ok"), (None, "ok"), ("none", "warning")]
)
def test_a_tracking_server_that_nothing_keeps_from_other_files_is_told(wall, state):
    check = doctor.registry_check(Registry("running", uri="http://127.0.0.1:5000", wall=wall))
    assert check.state == state
    assert "http://127.0.0.1:5000" in check.text
    assert ("every file of this user" in check.text) is (wall == "none")


def test_each_further_engine_is_told_of_by_its_name_and_one_that_is_away_costs_no_other():
    lab, far = FakeEngine(), FakeEngine()
    far.absent = True
    loop = Loop("test")
    try:
        made = {
            name: doctor._made(name, work, loop)
            for name, work in doctor.engine_checks({"lab": lab, "far": far}, None).items()
        }
    finally:
        loop.stop(5.0)
    assert {name: check.state for name, check in made.items()} == {
        "container engine lab": "ok",
        "container engine far": "problem",
    }
    assert [check.name for check in made.values()] == list(made)


@pytest.mark.parametrize(
    ("rootless", "file", "asks_root"),
    [(False, "/etc/docker/daemon.json", True), (True, ".config/docker/daemon.json", False)],
)
def test_an_engine_whose_restart_ends_jobs_is_told_with_what_to_paste(monkeypatch, rootless, file, asks_root):
    engine = FakeEngine()
    info = replace(engine.info(), live_restore=False, rootless=rootless)
    monkeypatch.setattr(engine, "info", lambda: info)
    check = doctor._engine_check(engine)
    assert check.state == "warning"
    assert file in check.fix
    assert ("sudo" in check.fix) is asks_root


def test_engines_that_the_settings_do_not_name_rightly_are_said_to_be_unknown():
    ((name, work),) = doctor.engine_checks({}, "Two engines are called lab.").items()
    assert work() == Check(name, "warning", "Two engines are called lab.", "mlops-desk settings set engine.others ''")
