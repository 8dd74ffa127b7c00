"""What a container takes, from the kernel's counters; never another machine's, and never one that is gone."""

from dataclasses import replace

import pytest

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs.runtimes.local import resource_usage
from mlops_desk.jobs.runtimes.local.resource_usage import LiveCounters

ID = "c0ffee" * 10
FACTS = ContainerFacts(ID, "mld-j-a1", "sha256:a", "running", {}, pid=4242)
MIB = 1 << 20


class Kernel:
    """Files of /proc and of a cgroup, as a test writes them."""

    def __init__(self, root, path=f"0::/system.slice/docker-{ID}.scope\n"):
        self.proc, self.root, self.clock = root / "proc", root / "cgroup", 100.0
        self.folder = self.root / f"system.slice/docker-{ID}.scope"
        self.folder.mkdir(parents=True)
        (self.proc / "4242").mkdir(parents=True)
        (self.proc / "4242" / "cgroup").write_text(path)
        self.counters = LiveCounters(self.proc, self.root)
        self.write(0)

    def write(self, cpu_seconds, held=300 * MIB, unused=100 * MIB, limit="max"):
        (self.folder / "cpu.stat").write_text(f"usage_usec {int(cpu_seconds * 1e6)}\nuser_usec 0\n")
        (self.folder / "memory.current").write_text(f"{held}\n")
        (self.folder / "memory.stat").write_text(f"anon 5\ninactive_file {unused}\n")
        (self.folder / "memory.max").write_text(f"{limit}\n")
        (self.folder / "pids.current").write_text("7\n")


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    kernel = Kernel(tmp_path)
    monkeypatch.setattr(resource_usage.time, "monotonic", lambda: kernel.clock)
    kernel.counters.see([FACTS])
    return kernel


def test_cores_memory_and_processes(kernel):
    first = kernel.counters.read("mld-j-a1")
    assert (first.cpus, first.memory_bytes, first.memory_limit_bytes, first.processes) == (None, 200 * MIB, None, 7)
    kernel.clock += 4.0
    kernel.write(14.0, limit=1 << 30)
    second = kernel.counters.read("mld-j-a1")
    assert (second.cpus, second.memory_limit_bytes) == (3.5, 1 << 30)


def test_the_most_memory_so_far_is_told_where_the_kernel_counts_it(kernel):
    assert kernel.counters.read("mld-j-a1").memory_peak_bytes is None
    (kernel.folder / "memory.peak").write_text("68612980736\n")
    assert kernel.counters.read("mld-j-a1").memory_peak_bytes == 68612980736


def test_two_looks_close_to_one_another_tell_the_same_cores(kernel):
    kernel.counters.read("mld-j-a1")
    kernel.clock += 4.0
    kernel.write(8.0)
    kernel.counters.read("mld-j-a1")
    kernel.clock += 0.01
    kernel.write(8.5)
    assert kernel.counters.read("mld-j-a1").cpus == 2.0


def test_a_container_with_cgroups_of_its_own_below(kernel):
    (kernel.proc / "4242" / "cgroup").write_text(f"0::/system.slice/docker-{ID}.scope/init.scope\n")
    assert kernel.counters.read("mld-j-a1").memory_bytes == 200 * MIB


def test_what_is_not_to_be_had_is_not_known(kernel, tmp_path):
    assert kernel.counters.read("another") is None
    kernel.counters.see([replace(FACTS, pid=None)])
    assert kernel.counters.read("mld-j-a1") is None
    kernel.counters.see([FACTS])
    (kernel.proc / "4242" / "cgroup").write_text("0::/user.slice\n")  # a process of this machine that has its number
    assert kernel.counters.read("mld-j-a1") is None
    (kernel.proc / "4242" / "cgroup").write_text(f"4:memory:/docker/{ID}\n")  # the others are counted elsewhere
    assert kernel.counters.read("mld-j-a1") is None
    (kernel.proc / "4242" / "cgroup").unlink()
    assert kernel.counters.read("mld-j-a1") is None


@pytest.mark.parametrize(("limit", "told"), [("9223372036854771712", None), ("67108864", 64 * MIB)])
def test_where_each_controller_has_a_place_of_its_own(kernel, limit, told):
    own = f"docker/{ID}"
    lines = (f"9:name=systemd:/{own}", f"8:pids:/{own}", f"4:memory:/{own}", f"2:cpu,cpuacct:/{own}", f"0::/{own}")
    (kernel.proc / "4242" / "cgroup").write_text("\n".join(lines) + "\n")
    files = {
        "cpuacct/cpuacct.usage": "1000000000",
        "memory/memory.usage_in_bytes": str(300 * MIB),
        "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MIB}",
        "memory/memory.limit_in_bytes": limit,
        "pids/pids.current": "7",
    }
    for name, text in files.items():
        controller, _, file = name.partition("/")
        (kernel.root / controller / own).mkdir(parents=True, exist_ok=True)
        (kernel.root / controller / own / file).write_text(f"{text}\n")
    first = kernel.counters.read("mld-j-a1")
    assert (first.cpus, first.memory_bytes, first.memory_limit_bytes, first.processes) == (None, 200 * MIB, told, 7)
    kernel.clock += 4.0
    (kernel.root / "cpuacct" / own / "cpuacct.usage").write_text("3000000000\n")
    assert kernel.counters.read("mld-j-a1").cpus == 0.5


def test_one_that_is_started_again_under_its_name_is_another(kernel):
    kernel.counters.read("mld-j-a1")
    kernel.clock += 4.0
    kernel.write(1.0)
    kernel.counters.see([FACTS])
    assert kernel.counters.read("mld-j-a1").cpus == 0.25
    kernel.counters.see([])
    kernel.counters.see([FACTS])
    assert kernel.counters.read("mld-j-a1").cpus is None


def test_one_that_ends_while_it_is_read(kernel):
    kernel.counters.read("mld-j-a1")
    (kernel.folder / "pids.current").unlink()
    assert kernel.counters.read("mld-j-a1") is None
    (kernel.folder / "cpu.stat").write_text("")
    assert kernel.counters.read("mld-j-a1") is None
