"""What reading the host costs: one pass over 64 cores, 8 drives and 4 ports of a made-up /proc, and over this machine.

    python tests/bench/hostsource.py [PASSES]

The made-up files lie in memory: what a kernel spends on writing its own (about 0.3 ms for /proc/stat at 64 cores) is
not in the first row. Prints a table; asserts nothing.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mlops_desk.machine.telemetry.host.filesystems import Filesystems
from mlops_desk.machine.telemetry.host.machine import LinuxHost
from mlops_desk.machine.telemetry.pipe.frames import Frame, FrameWriter

_CORES = 64
_PRESSURE = "some avg10=0.{0} avg60=0.00 avg300=0.00 total={1}\nfull avg10=0.{0} avg60=0.00 avg300=0.00 total={1}\n"


class Machine:
    """A /proc and /sys whose counters move with each tick."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.sys = folder / "proc", folder / "sys"
        for name in ("pressure", "net", "self"):
            (self.proc / name).mkdir(parents=True)
        for number in range(_CORES):
            (self.sys / "devices" / "system" / "cpu" / f"cpu{number}" / "cpufreq").mkdir(parents=True)
        for number in range(8):
            (self.sys / "block" / f"nvme{number}n1" / "device").mkdir(parents=True)
        for number in range(4):
            (self.sys / "class" / "net" / f"eth{number}" / "device").mkdir(parents=True)
        for name in ("meminfo", "vmstat", "loadavg"):
            (self.proc / name).write_text(Path("/proc", name).read_text())
        self._random = random.Random(1)
        self._ticks = [[0] * 10 for _ in range(_CORES)]
        self._turn = 0
        self.tick()

    def tick(self) -> None:
        self._turn += 1
        for row in self._ticks:
            busy = self._random.randrange(100)
            row[0] += busy
            row[3] += 100 - busy
        rows = [[sum(column) for column in zip(*self._ticks, strict=True)], *self._ticks]
        names = ["cpu ", *(f"cpu{number}" for number in range(_CORES))]
        lines = [f"{name} {' '.join(map(str, row))}" for name, row in zip(names, rows, strict=True)]
        turn = self._turn
        tail = f"intr {turn * 1000} {'0 ' * 2000}\nctxt {turn * 5000}\nbtime 1700000000\nprocesses {turn}\nprocs_running 9\n"
        (self.proc / "stat").write_text("\n".join(lines) + "\n" + tail)
        for name in ("cpu", "memory", "io"):
            (self.proc / "pressure" / name).write_text(_PRESSURE.format(turn % 90 + 10, turn * 1234))
        disks = [f" 259 {n} nvme{n}n1 {turn * 99} 0 {turn * 800} {turn * 3} {turn * 9} 0 {turn * 70} {turn} 2 {turn} {turn}"
                 for n in range(8)]  # fmt: skip
        (self.proc / "diskstats").write_text("\n".join(disks) + "\n")
        cards = [f"  eth{n}: {turn * 9000} {turn} 0 0 0 0 0 0 {turn * 500} {turn} 0 0 0 0 0 0" for n in range(4)]
        (self.proc / "net" / "dev").write_text("a\nb\n" + "\n".join(cards) + "\n")
        for number in range(_CORES):
            clock = self.sys / "devices" / "system" / "cpu" / f"cpu{number}" / "cpufreq" / "scaling_cur_freq"
            clock.write_text(f"{2_000_000 + self._random.randrange(16) * 100_000}\n")


def main() -> None:
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        machine = Machine(Path(folder))
        made_up = LinuxHost(machine.proc, machine.sys, filesystems=Filesystems(machine.proc / "self" / "mountinfo"))
        rows = [("64 cores, 8 drives, 4 ports, made up", *measure(made_up, passes, machine.tick))]
        rows.append((f"this machine, {os.cpu_count()} cores", *measure(LinuxHost(), passes, lambda: None)))
    source = Filesystems()
    began, spent = time.perf_counter(), os.times()
    for _ in range(20):
        source.measure()
    after = os.times()
    asked = (after.user + after.system + after.children_user + after.children_system) - (
        spent.user + spent.system + spent.children_user + spent.children_system
    )
    print(f"{'':40} {'ms a pass':>10} {'+ encoding':>11} {'% of a core at 1 Hz':>20} {'readings':>9}")
    for name, read, coded, count in rows:
        print(f"{name:40} {read * 1e3:10.2f} {coded * 1e3:11.2f} {(read + coded) * 100:20.3f} {count:9d}")
    wall = (time.perf_counter() - began) / 20
    print(f"filesystems, one question to all local ones: {asked / 20 * 1e3:.1f} ms of CPU, children included, "
          f"{wall * 1e3:.1f} ms waiting; every 15 s: {asked / 20 / 15 * 100:.3f} % of a core")  # fmt: skip


def measure(source: LinuxHost, passes: int, tick: Callable[[], None]) -> tuple[float, float, int]:
    """Return CPU seconds to read and to encode one sample, and how many readings it has."""
    source.read()
    writer = FrameWriter()
    read = coded = 0.0
    for number in range(passes):
        tick()
        began = time.process_time()
        sample = source.read()
        done = time.process_time()
        writer.encode(Frame(number, None, sample))
        coded += time.process_time() - done
        read += done - began
    parts = (sample.host, *sample.host.cores, *sample.host.sensors, *sample.disks, *sample.networks)
    return read / passes, coded / passes, sum(len(part.metrics) for part in parts)


if __name__ == "__main__":
    main()
