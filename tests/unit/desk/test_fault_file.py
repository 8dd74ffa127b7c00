"""What was announced of broken GPUs is known to the next agent, until the machine is started anew."""

from pathlib import Path

import pytest

from mlops_desk.desk import fault_file
from mlops_desk.desk.fault_file import KeptFaults
from mlops_desk.kit.base.process import boot_id
from mlops_desk.machine.records.incident import DeviceEvent

OFF_THE_BUS = DeviceEvent(1.0, "xid", "GPU-0", 79)


def recalled(path: Path) -> KeptFaults:
    faults = KeptFaults(path)
    faults.load()
    return faults


def kept(path: Path) -> KeptFaults:
    faults = recalled(path)
    faults.take([OFF_THE_BUS], [], 0.0)
    faults.keep()
    return faults


def test_the_next_agent_withholds_what_was_withheld_and_nothing_that_a_person_trusts(tmp_path: Path) -> None:
    faults = kept(tmp_path / "f.json")
    later = recalled(tmp_path / "f.json")
    assert later.now() == faults.now()
    assert later.now()["GPU-0"].text == "XID 79: GPU has fallen off the bus"
    assert faults.trust("GPU-0")
    faults.keep()
    assert recalled(tmp_path / "f.json").now() == {}


def test_a_machine_that_was_started_anew_has_reset_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path / "f.json")
    monkeypatch.setattr(fault_file, "boot_id", lambda: "another")
    assert recalled(tmp_path / "f.json").now() == {}


def test_it_is_written_only_when_it_changed(tmp_path: Path) -> None:
    faults = kept(tmp_path / "f.json")
    (tmp_path / "f.json").unlink()
    faults.keep()
    assert not (tmp_path / "f.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"boot": 1, "xids": {}}', "[" * 5000, "\x00"])
def test_a_file_that_says_nothing_withholds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text)
    assert recalled(tmp_path / "f.json").now() == {}


def test_what_is_no_number_of_a_grave_error_is_left_out(tmp_path: Path) -> None:
    text = f'{{"boot": "{boot_id()}", "xids": {{"GPU-0": "79", "GPU-1": 31, "GPU-2": 48}}}}'
    (tmp_path / "f.json").write_text(text)
    assert set(recalled(tmp_path / "f.json").now()) == {"GPU-2"}


def test_a_disk_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = KeptFaults(tmp_path / "f.json")
    faults.take([OFF_THE_BUS], [], 0.0)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(fault_file, "write_atomically", fails)
        faults.keep()
    faults.keep()
    assert recalled(tmp_path / "f.json").now() == faults.now()
