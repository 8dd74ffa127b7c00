"""The ring: whatever comes, goes and stays the same between ticks, a row says what was read at that tick."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.history.memory import Ring

DEVICES, METRICS = ("GPU-1", "GPU-2", "host"), ("hw.power", "hw.temperature", "hw.fan.speed_ratio")
READINGS = (*(Reading(float(value), "1") for value in range(3)), Reading(None, "1", MetricState.LOST))
"""Few, so that a tick often tells the very same object as the one before."""

ticks = st.lists(
    st.dictionaries(
        st.sampled_from(DEVICES), st.dictionaries(st.sampled_from(METRICS), st.sampled_from(READINGS)), max_size=3
    ),
    min_size=1,
    max_size=12,
)


@given(ticks, st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_row_says_what_was_read(told: list[dict[str, dict[str, Reading]]], kept: list[bool]) -> None:
    ring = Ring(rows=8)
    for number, keep in zip(range(1, len(told)), kept, strict=False):
        if keep:  # a device tells the same mapping again, as one does whose readings did not change
            told[number] = {device: told[number - 1].get(device, now) for device, now in told[number].items()}
    for number, tick in enumerate(told):
        ring.append(float(number), tick.items())
    block, following = ring.since(0)
    assert following == len(told)
    for row, tick in zip(range(len(block.times)), told[-len(block.times) :], strict=True):
        for column, (device, metric, _) in enumerate(block.keys):
            reading = tick.get(device, {}).get(metric)
            value, state = block.values[row, column], block.states[row, column]
            if reading is None:
                assert np.isnan(value)
                assert state == 0
            else:
                assert (None if np.isnan(value) else float(value)) == reading.value
                assert state != 0


def test_the_last_minute_is_that_of_the_clock_as_it_is_set_now() -> None:
    ring = Ring()
    for second in range(600):
        ring.append(1e9 + second, [("GPU-0", {"use": Reading(1.0, "1")})])
    for second in range(30):
        ring.append(1e9 - 3600 + second, [("GPU-0", {"use": Reading(0.0, "1")})])
    assert list(ring.window(60.0).values[:, 0]) == [0.0] * 30
