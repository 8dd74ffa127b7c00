"""InfiniBand ports and thermometers, from a /sys that is made up."""

import time
from pathlib import Path

import pytest

from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.telemetry.host import machine
from mlops_desk.machine.telemetry.host.infiniband import InfiniBand, counts, sums
from mlops_desk.machine.telemetry.host.machine import Sensors


def write(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text + "\n")


@pytest.fixture
def port(tmp_path: Path) -> Path:
    folder = tmp_path / "class" / "infiniband" / "mlx5_0" / "ports" / "1"
    write(folder, state="4: ACTIVE", rate="400 Gb/sec (4X NDR)", link_layer="InfiniBand", phys_state="5: LinkUp")
    write(folder / "counters", port_rcv_data="1000", port_xmit_data="500", port_rcv_packets="10", symbol_error="1",
          port_rcv_errors="0", port_xmit_discards="0", link_downed="2")  # fmt: skip
    return folder


def test_a_port_counts_in_words_of_four_bytes(tmp_path: Path, port: Path) -> None:
    source = InfiniBand(tmp_path)
    (first,) = source.read(10.0)
    assert (first.name, first.kind, first.link) == ("mlx5_0:1", "infiniband", "up")
    assert first.facts["Rate"] == "400 Gb/sec (4X NDR)"
    write(port / "counters", port_rcv_data="2000", port_xmit_data="500", symbol_error="5")
    (card,) = source.read(12.0)
    shown = {name: reading.value for name, reading in card.metrics.items()}
    assert shown["system.network.receive"] == 2000
    assert shown["system.network.transmit"] == 0
    assert shown["hw.network.link.errors"] == 2
    assert shown["hw.network.link.downs"] == 2
    assert shown["hw.network.bandwidth.limit"] == 50e9
    assert shown["hw.network.up"] == 1


def test_a_counter_at_its_end_gives_no_rate() -> None:
    standing = counts({"port_rcv_data": str((1 << 32) - 1), "port_xmit_data": "7", "x": "-"})
    assert sums(standing) == {"transmit": 28.0}


def test_a_counter_that_could_not_be_read_once_makes_no_spike(tmp_path: Path, port: Path) -> None:
    write(port / "counters", symbol_error="90000", link_error_recovery="3")
    source, shown = InfiniBand(tmp_path), []
    for second, text in enumerate(("90000", "", "90000", "90001")):
        write(port / "counters", symbol_error=text)
        (card,) = source.read(10.0 + second)
        shown.append(card.metrics["hw.network.link.errors"].value if second else None)
    assert shown == [None, 0.0, 0.0, 1.0]


def test_a_machine_without_infiniband_has_no_ports(tmp_path: Path) -> None:
    assert InfiniBand(tmp_path).read(1.0) == ()


def test_ethernet_ports_that_speak_rdma_are_called_roce(tmp_path: Path, port: Path) -> None:
    write(port, link_layer="Ethernet", state="1: DOWN")
    (card,) = InfiniBand(tmp_path).read(1.0)
    assert (card.kind, card.link) == ("roce", "down")


def test_thermometers_without_those_of_drives_and_sleeping_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips = tmp_path / "class" / "hwmon"
    for number in (0, 1):
        write(chips / f"hwmon{number}", name="coretemp", temp1_input="45000", temp1_label="Core 0", temp1_crit="100000")
    write(chips / "hwmon2", name="nvme", temp1_input="40000")
    write(chips / "hwmon3", name="amdgpu", temp1_input="50000")
    write(chips / "hwmon3" / "device" / "power", runtime_status="suspended")
    write(chips / "hwmon4", name="acpitz", temp1_input="999000", temp2_input="rubbish")
    source = Sensors(tmp_path)
    source.measure()
    rows = {row.name: row for row in source.read(time.monotonic())}
    assert set(rows) == {"coretemp Core 0", "coretemp Core 0 #2", "acpitz temp1"}
    assert {name: reading.value for name, reading in rows["coretemp Core 0"].metrics.items()} == {
        "hw.temperature": 45,
        "hw.temperature.limit": 100,
    }
    assert rows["acpitz temp1"].metrics["hw.temperature"].state is MetricState.ERROR
    late = {row.name: row for row in source.read(time.monotonic() + 3 * machine.SENSORS_SECONDS + 1)}
    assert late["coretemp Core 0"].metrics["hw.temperature"].state is MetricState.STALE


def test_a_board_without_chips_tells_its_thermal_zones(tmp_path: Path) -> None:
    write(tmp_path / "class" / "thermal" / "thermal_zone3", type="cpu-thermal", temp="51000")
    source = Sensors(tmp_path)
    source.measure()
    (row,) = source.read(time.monotonic())
    assert (row.name, row.metrics["hw.temperature"].value) == ("cpu-thermal 3", 51)
