"""What was freed goes back to the system, also what many threads had at once."""

import subprocess
import sys

import pytest

_PEAKS = """
import sys, threading
import numpy as np
if sys.argv[1] == "kept":
    from mlops_desk.kit.base.allocator import give_back_memory
    assert give_back_memory()

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) // 256

def work(first):
    np.ones(3 << 20)  # 24 MiB, freed: from here on glibc would keep what is smaller
    hold = [np.ones(40_000) for _ in range(100)]  # 30 MiB in blocks of 0.3 MiB
    first.wait()
    last = np.ones(100)  # something small that stays on top
    kept.append(last)

kept, before = [], resident_mib()
for _ in range(2):
    gate = threading.Barrier(4)
    threads = [threading.Thread(target=work, args=(gate,)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print(resident_mib() - before)
"""


def grown_mib(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PEAKS, how], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.slow
def test_what_threads_had_at_their_peak_is_not_kept() -> None:
    assert grown_mib("kept") < 20


_TICKS = """
import resource
import numpy as np
from mlops_desk.kit.base.allocator import give_back_memory
assert give_back_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def tick():
    return [np.ones(11_000) for _ in range(4)]  # 88 kB each, as the rows of a flush are

tick()
before = faults()
for _ in range(100):
    tick()
print(faults() - before)
"""


def test_what_is_made_and_dropped_at_every_tick_is_not_fetched_from_the_kernel_each_time() -> None:
    done = subprocess.run([sys.executable, "-c", _TICKS], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 1000  # of 8,600 pages
