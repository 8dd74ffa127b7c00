"""The door to the driver's library, with several threads in it: who is stuck, and whose time it was."""

import threading
import time

from mlops_desk.machine.telemetry.nvml.nvml_library import Nvml


def hold(nvml: Nvml, index: int, until: threading.Event) -> threading.Thread:
    """Be in a call to a GPU until ``until``."""
    inside = threading.Event()

    def call() -> None:
        inside.set()
        until.wait(10)

    thread = threading.Thread(target=lambda: nvml.call(index, f"GPU-{index}", call))
    thread.start()
    assert inside.wait(10)
    return thread


def test_of_several_calls_under_way_the_oldest_is_told() -> None:
    nvml, first_ends, second_ends = Nvml(), threading.Event(), threading.Event()
    assert nvml.busy() is None
    first = hold(nvml, 3, first_ends)
    time.sleep(0.01)
    second = hold(nvml, 5, second_ends)
    busy = nvml.busy()
    assert busy is not None
    assert (busy.index, busy.uuid, busy.call) == (3, "GPU-3", "call")
    first_ends.set()
    first.join()
    busy = nvml.busy()
    assert busy is not None
    assert busy.index == 5
    second_ends.set()
    second.join()
    assert nvml.busy() is None


def test_what_a_call_took_counts_for_the_thread_that_made_it() -> None:
    nvml, ends = Nvml(), threading.Event()
    thread = hold(nvml, 3, ends)
    time.sleep(0.02)
    ends.set()
    thread.join()
    assert nvml.caller.seconds == 0.0
    assert nvml.seconds > 0.0
    assert nvml.calls == 1
