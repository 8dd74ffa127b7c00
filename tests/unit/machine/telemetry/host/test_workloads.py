"""What a process, those below it and its cgroup take of the host: worked examples on a kernel made of files."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mlops_desk.machine.records.gpu import HostLoad
from mlops_desk.machine.telemetry.host.cgroups import Cgroups, CgroupTotals, cores_limit, growth, is_of_one, read_bytes
from mlops_desk.machine.telemetry.host.processes import Processes, parse_cgroup
from mlops_desk.machine.telemetry.host.workloads import Workloads, parse_stat

BOX = f"docker-{'a1' * 32}.scope"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Kernel:
    """A /proc and a cgroup tree of files, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.cgroups = folder / "proc", folder / "cgroup"
        self.now = 100.0
        self.workloads = Workloads(self.proc, Cgroups(self.cgroups), lambda: self.now)

    def process(
        self, pid: int, cpu_seconds: float, children: Sequence[int] = (), *, parent: int = 1, ticks: int = 7,
        state: str = "S", pages: int = 25, of_threads: Mapping[int, Sequence[int]] | None = None,
    ) -> None:  # fmt: skip
        folder = self.proc / str(pid)
        (folder / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
        user, system = int(cpu_seconds * TICKS * 0.75), int(cpu_seconds * TICKS * 0.25)
        others = of_threads or {}
        head = f"{pid} (a) b) {state} {parent} 1 1 0 -1 4194304 1 0 0 0 {user} {system} 0 0 20 0 {1 + len(others)} 0"
        (folder / "stat").write_text(f"{head} {ticks} 4096 {pages} 1 2\n")
        for thread, begun in {**others, pid: children}.items():
            (folder / "task" / str(thread)).mkdir(parents=True, exist_ok=True)
            (folder / "task" / str(thread) / "children").write_text("".join(f"{child} " for child in begun))

    def cgroup(
        self,
        cpu: float,
        cpu_stalled: float,
        io_stalled: float,
        read: int,
        limit: str = "400000 100000",
        scope: str = BOX,
    ) -> None:
        folder = self.cgroups / scope
        folder.mkdir(parents=True, exist_ok=True)
        stalled = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        (folder / "cpu.stat").write_text(f"usage_usec {int(cpu * 1e6)}\nuser_usec 1\nsystem_usec 1\n")
        (folder / "cpu.pressure").write_text(stalled.format(int(cpu_stalled * 1e6)))
        (folder / "io.pressure").write_text(stalled.format(int(io_stalled * 1e6)))
        (folder / "io.stat").write_text(f"259:0 rbytes={read} wbytes=5 rios=1\n259:1 rbytes=10 wbytes=0 rios=1\n")
        (folder / "cpu.max").write_text(f"{limit}\n")

    def use(self, pid: int = 42, ticks: int = 7, cgroup: str | None = f"/{BOX}"):
        return self.workloads.use(pid, ticks, cgroup)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_process_tells_at_once_what_it_holds_and_after_ten_seconds_what_it_does(kernel: Kernel) -> None:
    kernel.process(42, 1000.0, parent=41)
    first = kernel.use(cgroup=None)
    assert (first.memory_bytes, first.parent, first.zombie, first.cpu_ratio) == (25 * PAGE, 41, False, None)
    assert first.load is None
    kernel.process(42, 1005.0, parent=41)
    kernel.now += 9.0
    assert kernel.use(cgroup=None) is first
    kernel.now += 1.0
    later = kernel.use(cgroup=None)
    assert later.cpu_ratio == pytest.approx(0.5)
    assert later.load == HostLoad(10.0, cores=0.5, busiest_ratio=0.5, processes=1)


def test_processes_that_other_threads_began_are_in_the_tree_at_each_look(kernel: Kernel) -> None:
    for child in (50, 51, 52):
        kernel.process(child, 1.0)
    kernel.process(50, 1.0, of_threads={501: [], 502: [52]})
    kernel.process(42, 1.0, [50], of_threads={43: [], 44: [51]})
    counts = []
    for _ in range(4):
        load = kernel.use(cgroup=None).load
        counts.append(load and load.processes)
        kernel.now += 20.0
    assert counts == [None, 4, 4, 4]


def test_a_thread_that_begins_processes_later_is_found_within_a_minute(kernel: Kernel) -> None:
    kernel.process(51, 1.0)
    kernel.process(42, 1.0, of_threads={43: [], 44: []})
    kernel.use(cgroup=None)
    kernel.process(42, 1.0, of_threads={43: [], 44: [51]})
    kernel.now += 60.0
    load = kernel.use(cgroup=None).load
    assert load is not None
    assert load.processes == 2


@pytest.mark.parametrize(
    ("path", "one"),
    [
        (f"/system.slice/docker-{'a1' * 32}.scope", True),
        (f"/docker/{'0f' * 32}", True),
        (f"/kubepods.slice/kubepods-pod7.slice/cri-containerd-{'a1' * 32}.scope", True),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{'a1' * 32}.scope/container", True),
        ("/system.slice/training.service", True),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/training.service", True),
        ("/system.slice/run-r0123456789abcdef.scope", True),
        ("/system.slice/slurmstepd.scope/job_71/step_0/user/task_0", True),
        ("/user.slice/user-1000.slice/session-3.scope", False),
        ("/user.slice/user-1000.slice/user@1000.service", False),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", False),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope",
            False,
        ),
        ("/user.slice", False),
        ("/system.slice", False),
        ("/", False),
        (None, False),
    ],
)
def test_a_cgroup_is_one_workloads_or_may_be_all_that_somebody_does(path: str | None, one: bool) -> None:
    assert is_of_one(path) is one


def test_what_waits_for_disks_in_a_whole_session_is_not_said_of_one_process(kernel: Kernel) -> None:
    session = "user.slice/user-1000.slice/session-3.scope"
    kernel.process(42, 0.0)
    kernel.cgroup(100.0, 20.0, 30.0, 1000, scope=session)
    kernel.use(cgroup=f"/{session}")
    kernel.now += 10.0
    kernel.cgroup(125.0, 23.0, 34.0, 6000, scope=session)
    load = kernel.use(cgroup=f"/{session}").load
    assert load is not None
    assert (load.cgroup_cores, load.io_pressure_ratio, load.read_bytes_per_second) == (2.5, None, None)


def test_the_tree_below_a_process_and_its_cgroup_are_counted(kernel: Kernel) -> None:
    kernel.process(42, 10.0, [50, 51])
    kernel.process(50, 10.0, [60], parent=42)
    kernel.process(51, 0.0, parent=42)
    kernel.process(60, 5.0, parent=50)
    kernel.cgroup(100.0, 20.0, 30.0, 1000)
    kernel.use()
    kernel.process(42, 11.0, [50, 51])
    kernel.process(50, 20.0, [60, 61], parent=42)
    kernel.process(60, 10.0, parent=50)
    kernel.process(61, 4.0, parent=50)  # it began in between
    kernel.cgroup(125.0, 23.0, 34.0, 6000)
    kernel.now += 10.0
    assert kernel.use().load == HostLoad(
        10.0,
        cores=2.0,
        busiest_ratio=1.0,
        processes=5,
        cgroup_cores=2.5,
        cores_limit=4.0,
        cpu_pressure_ratio=0.3,
        io_pressure_ratio=0.4,
        read_bytes_per_second=500.0,
    )


def test_a_load_is_that_of_the_last_minute(kernel: Kernel) -> None:
    kernel.process(42, 0.0)
    kernel.use()
    spent = 0.0
    for turn in range(20):
        kernel.now += 10.0
        spent += 10.0 if turn < 10 else 2.0
        kernel.process(42, spent)
        use = kernel.use()
    assert use.cpu_ratio == pytest.approx(0.2)
    assert use.load is not None
    assert use.load.cores == pytest.approx(0.2)
    assert use.load.seconds == 60.0


def test_a_later_owner_of_a_pid_is_nobody_it_was_taken_for(kernel: Kernel) -> None:
    kernel.process(42, 500.0)
    kernel.use()
    kernel.now += 10.0
    kernel.process(42, 1.0, ticks=900)
    assert kernel.use().memory_bytes is None  # the old one is asked for still
    fresh = kernel.use(ticks=900)
    assert (fresh.cpu_ratio, fresh.memory_bytes) == (None, 25 * PAGE)


def test_a_process_that_is_gone_or_can_not_be_seen_has_nothing_and_no_zero(kernel: Kernel) -> None:
    use = kernel.use()
    assert (use.cpu_ratio, use.memory_bytes, use.parent, use.load) == (None, None, None, None)


def test_a_zombie_is_seen(kernel: Kernel) -> None:
    kernel.process(42, 1.0, state="Z", pages=0)
    assert kernel.use().zombie


def test_a_kernel_that_lists_no_children_leaves_the_tree_unknown(kernel: Kernel) -> None:
    kernel.process(42, 0.0)
    (kernel.proc / "42/task/42/children").unlink()
    kernel.use(cgroup=None)
    kernel.process(42, 5.0)
    (kernel.proc / "42/task/42/children").unlink()
    kernel.now += 10.0
    use = kernel.use(cgroup=None)
    assert use.cpu_ratio == pytest.approx(0.5)
    assert use.load is not None
    assert (use.load.cores, use.load.busiest_ratio, use.load.processes) == (None, None, None)


def test_descriptors_are_given_back_when_nobody_asks_any_more(kernel: Kernel) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for pid in range(100, 400):
        kernel.process(pid, 0.0)
        kernel.use(pid)
    assert len([*Path("/proc/self/fd").iterdir()]) - before <= 300
    kernel.process(42, 0.0)
    kernel.now += 200.0
    kernel.use(42, cgroup=None)
    kernel.now += 200.0
    kernel.use(42, cgroup=None)
    assert len([*Path("/proc/self/fd").iterdir()]) - before <= 2


@pytest.mark.parametrize("stat", [b"", b"1 (x)", b"1 (x) S a 1", b"1 (x) S " + b"q " * 30])
def test_what_is_no_stat_is_none(stat: bytes) -> None:
    assert parse_stat(stat) is None


@pytest.mark.parametrize(
    ("text", "limit"), [("400000 100000\n", 4.0), ("max 100000\n", None), ("", None), ("1 0\n", None), ("x y z", None)]
)
def test_the_cores_a_cgroup_may_use(text: str, limit: float | None) -> None:
    assert cores_limit(text) == limit


def test_an_empty_io_stat_is_not_taken_for_no_reading() -> None:
    assert read_bytes("") is None
    assert read_bytes("8:0 rbytes=x") is None
    assert read_bytes("8:0 rbytes=3 wbytes=9\n8:16 rbytes=4") == 7.0


def test_a_counter_of_a_cgroup_that_went_back_gives_nothing() -> None:
    first = CgroupTotals(10.0, 5.0, 1.0, 1.0, 100.0, None)
    last = CgroupTotals(20.0, 1.0, 9.0, 30.0, None, 2.0)
    grown = growth(first, last)
    assert (grown.cores, grown.cpu_pressure, grown.io_pressure, grown.read_bytes) == (None, 0.8, 1.0, None)
    assert growth(first, first).io_pressure is None


@pytest.mark.parametrize(
    ("cgroup", "path"),
    [
        (b"0::/user.slice/session-3.scope\n", "/user.slice/session-3.scope"),
        (b"4:memory:/x\n0::/a b\n", "/a b"),
        (b"0::/\n", None),
        (b"4:memory:/x\n", None),
        (b"", None),
    ],
)
def test_the_root_cgroup_is_nobodys(cgroup: bytes, path: str | None) -> None:
    assert parse_cgroup(cgroup) == path


def test_a_path_that_leads_out_of_the_cgroups_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cpu.stat").write_text("usage_usec 5\n")
    assert Cgroups(tmp_path / "cgroup").read("/../", 1.0) is None


@pytest.mark.slow
def test_files_of_cgroups_stay_open_only_while_they_are_asked_for_and_of_few_at_once(tmp_path: Path) -> None:
    cgroups = Cgroups(tmp_path)
    before = len([*Path("/proc/self/fd").iterdir()])

    def opened(number: int, now: float) -> int:
        folder = tmp_path / f"box{number}.scope"
        folder.mkdir(exist_ok=True)
        for name in ("cpu.stat", "cpu.pressure", "io.pressure", "io.stat", "cpu.max"):
            (folder / name).write_text("usage_usec 5000000\n" if name == "cpu.stat" else "")
        totals = cgroups.read(f"/box{number}.scope", now)
        assert totals is not None
        assert totals.cpu_seconds == 5.0
        return len([*Path("/proc/self/fd").iterdir()]) - before

    for day in range(100):  # a job a day
        assert opened(day, 86_400.0 * day) == 5
    assert max(opened(number, 1e9) for number in range(200)) <= 320


def test_a_pid_of_which_nothing_is_known_takes_nothing(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    assert processes.use(42, processes.facts(42)).memory_bytes is None
