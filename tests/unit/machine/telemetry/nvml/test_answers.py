"""What the driver's records become: processes and their shares, activity, ways between GPUs, processors near them."""

import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.gpu import NvLink
from mlops_desk.machine.telemetry.nvml import processes as nvml_processes
from mlops_desk.machine.telemetry.nvml.facts import cpu_list
from mlops_desk.machine.telemetry.nvml.gpm import values
from mlops_desk.machine.telemetry.nvml.links import ends_of, peers_of
from mlops_desk.machine.telemetry.nvml.nvml_library import NvmlError
from mlops_desk.machine.telemetry.nvml.processes import ProcessLister, newest_shares, records

NONE = 0xFFFF_FFFF
NOW = 1_800_000_000_000_000


@given(st.lists(st.tuples(st.integers(1, 1 << 22), st.integers(0, 1 << 40)), max_size=20), st.booleans())
def test_process_records_of_both_sizes_are_read_alike(processes: list[tuple[int, int]], longer: bool) -> None:
    layout = struct.Struct("<I4xQIIQ" if longer else "<I4xQII")
    rest = (0,) if longer else ()
    packed = b"".join(layout.pack(pid, memory, NONE, NONE, *rest) for pid, memory in processes)
    buffer = memoryview(packed + bytes(32 * 40 - len(packed)))
    assert [record[:2] for record in records(buffer, len(processes))] == processes


def test_only_the_newest_sane_share_of_a_process_counts() -> None:
    samples = [
        (7, NOW - 900_000, 20, 0, 0, 0),
        (7, NOW - 100_000, 60, 35, 12, 255),
        (8, NOW - 100_000, 180, 0, 0, 0),
        (9, NOW + 3_600_000_000, 50, 0, 0, 0),
        (5, NOW - 5_000_000, 50, 0, 0, 0),
        (0, NOW, 50, 0, 0, 0),
    ]
    shares, until = newest_shares(samples, NOW - 2_000_000, NOW)
    assert shares == {7: (0.6, 0.35, 0.12, None)}
    assert until == NOW - 100_000
    assert newest_shares(samples, until, NOW) == ({}, until)


def test_shares_are_told_again_at_once_after_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [NOW / 1e6]
    monkeypatch.setattr(nvml_processes, "time", SimpleNamespace(time=lambda: clock[0], monotonic=time.monotonic))

    class Device:
        """Process 7 works half of the time, and the driver says so with the time as the clock shows it."""

        def invoke(self, name: str, *arguments: Any) -> None:
            if name == "nvmlDeviceGetProcessUtilization":
                buffer, count, since = arguments
                sample = struct.pack("<I4xQIIII", 7, int(clock[0] * 1e6) - 1, 50, 0, 0, 0)
                found = sample if since.value < int(clock[0] * 1e6) - 1 else b""
                buffer[: len(found)], count._obj.value = found, bool(found)
            elif "Compute" in name:
                count, buffer = arguments
                buffer[:24], count._obj.value = struct.pack("<I4xQII", 7, 1 << 30, NONE, NONE), 1
            else:
                arguments[0]._obj.value = 0

    lister = ProcessLister(Device())
    for set_to in (0.0, 2.0, -3600.0, -3598.0):
        clock[0] = NOW / 1e6 + set_to
        assert [one.shares.sm for one in lister.read()] == [0.5]


def test_gpm_gives_ratios_bytes_and_means_of_engines() -> None:
    found = values(
        [(2, 0, 82.5), (20, 0, 3.0), (30, 0, 50.0), (31, 0, 0.0), (10, 3, 0.0), (5, 0, 100.4), (999, 0, 1.0)]
    )
    assert found["hw.gpu.activity.sm"] == pytest.approx(0.825)
    assert found["hw.gpu.io.transmit"] == pytest.approx(3 * (1 << 20))
    assert found["hw.gpu.activity.decoder"] == pytest.approx(0.25)
    assert found["hw.gpu.activity.tensor"] == 1.0
    assert isinstance(found["hw.gpu.activity.dram"], NvmlError)
    assert len(found) == 5


def links(*peers: str | None, state: str = "up") -> list[NvLink]:
    return [NvLink(number, state, peer=peer) for number, peer in enumerate(peers)]


def test_gpus_reach_each_other_by_links_before_pcie() -> None:
    ends = {
        "a": ends_of(links("b", "b", "switch", "switch")),
        "b": ends_of(links("a", "a")),
        "c": ends_of([*links("switch"), *links("switch", state="down")]),
        "d": ends_of(links(None)),
    }
    ancestors = {frozenset("ab"): "PIX", frozenset("ad"): "NODE", frozenset("bc"): "SYS"}
    assert peers_of("a", ends, ancestors) == {"b": "NV2", "c": "NV1", "d": "NODE"}
    assert peers_of("b", ends, ancestors) == {"a": "NV2", "c": "SYS"}


@pytest.mark.parametrize(
    ("words", "text"),
    [([0], None), ([0b1011], "0-1,3"), ([1 << 63, 1], "63-64"), ([(1 << 64) - 1, 0, 1], "0-63,128")],
)
def test_processors_are_listed_as_the_kernel_does(words: list[int], text: str | None) -> None:
    assert cpu_list(words) == text
