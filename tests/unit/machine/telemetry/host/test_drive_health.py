"""What is told of a drive's health, by whom, and what a person is told who may not ask."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.telemetry.host import disks as drive_health
from mlops_desk.machine.telemetry.host.disks import Disks

DRIVE = "/org/freedesktop/UDisks2/drives/Good_4TB_S1"
BLOCK = "org.freedesktop.UDisks2.Block"
NVME = "org.freedesktop.UDisks2.NVMe.Controller"


def variant(kind: str, data: object) -> dict[str, object]:
    return {"type": kind, "data": data}


OBJECTS = {
    "/org/freedesktop/UDisks2/block_devices/nvme0n1": {BLOCK: {"Drive": variant("o", DRIVE)}},
    "/org/freedesktop/UDisks2/block_devices/nvme0n1p1": {BLOCK: {"Drive": variant("o", DRIVE)}},
    DRIVE: {
        NVME: {
            "SmartUpdated": variant("t", 1_700_000_000),
            "SmartPowerOnHours": variant("t", 10),
            "SmartCriticalWarning": variant("as", ["spare", "readonly"]),
        }
    },
}
ATTRIBUTES = {
    "percent_used": variant("y", 103),
    "avail_spare": variant("y", 90),
    "spare_thresh": variant("y", 10),
    "media_errors": variant("t", 2),
    "unsafe_shutdowns": variant("t", 5),
    "total_data_written": variant("t", 1 << 50),
    "temp_sensors": variant("aq", [300]),
}


class Bus:
    """A system bus with UDisks2 on it; counts what it was asked."""

    def __init__(self, objects: object = OBJECTS) -> None:
        self.objects = objects
        self.asked: list[str] = []

    def __call__(self, command: list[str], timeout_seconds: float) -> str | None:
        assert timeout_seconds > 0
        if command[0] != "busctl":
            return None
        self.asked.append(command[-1] if "GetManagedObjects" in command else command[command.index(NVME) + 1])
        data = self.objects if "GetManagedObjects" in command else ATTRIBUTES
        return json.dumps({"type": "a{sv}", "data": [data]})


def test_udisks_tells_wear_and_errors_without_permission() -> None:
    bus = Bus()
    found = drive_health.ask(["nvme0n1", "nvme9n9"], bus)
    assert found["nvme9n9"] is None
    known = found["nvme0n1"]
    assert known is not None
    assert known.values == {
        "hw.disk.wear": 1.03,
        "hw.disk.spare": 0.9,
        "hw.disk.spare.threshold": 0.1,
        "hw.disk.media_errors": 2,
        "hw.disk.unsafe_shutdowns": 5,
        "hw.disk.data.written": 1 << 50,
        "hw.disk.power_on": 36_000,
        "hw.disk.critical_warning": 9,
    }
    assert bus.asked == ["GetManagedObjects", "SmartGetAttributes"], "a partition is no drive"


def test_a_sata_drive_that_fails_says_so() -> None:
    ata = {"SmartUpdated": variant("t", 1), "SmartPowerOnSeconds": variant("t", 7), "SmartFailing": variant("b", True)}
    objects = {
        "/org/freedesktop/UDisks2/block_devices/sda": {BLOCK: {"Drive": variant("o", "/drive")}},
        "/drive": {"org.freedesktop.UDisks2.Drive.Ata": ata},
    }
    known = drive_health.ask(["sda"], Bus(objects))["sda"]
    assert known is not None
    assert known.values == {"hw.disk.power_on": 7}
    assert "about to fail" in (known.note or "")


def test_the_tools_are_understood_in_both_tongues() -> None:
    nvme_cli = {"percent_used": 4, "avail_spare": 100, "spare_thresh": 5, "data_units_written": 2, "power_on_hours": 3}
    smartctl = {"percentage_used": 4, "available_spare": 100, "available_spare_threshold": 5, "data_units_written": 2,
                "power_on_hours": 3}  # fmt: skip
    worked = {
        "hw.disk.wear": 0.04,
        "hw.disk.spare": 1.0,
        "hw.disk.spare.threshold": 0.05,
        "hw.disk.data.written": 1_024_000.0,
        "hw.disk.power_on": 10_800.0,
    }
    assert drive_health.nvme_values(nvme_cli) == worked
    assert drive_health.nvme_values(smartctl) == worked

    def run(command: list[str], _: float) -> str | None:
        return json.dumps({"nvme_smart_health_information_log": smartctl}) if command[0] == "smartctl" else None

    known = drive_health.from_tools("nvme0n1", run)
    assert known is not None
    assert known.values["hw.disk.wear"] == 0.04


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["data", "type", BLOCK, NVME, "Drive", "/x/nvme0n1", DRIVE, "percent_used"]),
                        inner, max_size=4), max_leaves=12))  # fmt: skip
def test_no_answer_breaks_the_question(answer: object) -> None:
    for text in (json.dumps(answer), json.dumps({"data": [answer]}), "rubbish", None):
        assert set(drive_health.ask(["nvme0n1"], lambda *_, text=text: text)) == {"nvme0n1"}


def disks(folder: Path, name: str, run: drive_health.Run) -> Disks:
    (folder / "sys" / "block" / name / "device").mkdir(parents=True)
    (folder / "diskstats").write_text(f" 259 0 {name} 1 0 2 1 1 0 4 3 0 9 8 0 0 0 0 0 0\n")
    return Disks(folder, folder / "sys", run)


def test_who_may_not_ask_is_told_what_to_do(tmp_path: Path) -> None:
    source = disks(tmp_path, "nvme88n1", lambda *_: None)
    source.ask_health()
    (disk,) = source.read(1.0)
    assert disk.metrics["hw.disk.wear"].state is MetricState.NO_PERMISSION
    assert "needs permission" in (disk.note or "")
    assert "udisks2" in (disk.note or "")


def test_a_virtual_disk_has_no_health_to_tell(tmp_path: Path) -> None:
    source = disks(tmp_path, "vda", lambda *_: None)
    source.ask_health()
    (disk,) = source.read(1.0)
    assert "hw.disk.wear" not in disk.metrics
    assert disk.note is None


def test_a_command_that_hangs_is_ended_at_its_deadline() -> None:
    assert drive_health.run_command(["sleep", "600"], 0.1) is None
    assert drive_health.run_command(["/absent"], 1.0) is None
    assert drive_health.run_command(["echo", "yes"], 5.0) == "yes\n"
