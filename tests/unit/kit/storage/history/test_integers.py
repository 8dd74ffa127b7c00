"""Numbers to bytes and back: exact for whole numbers, within half a step for what was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mlops_desk.kit.storage.history.blocks import OK, Block, coded, held, pack, uncoded, unpack, unpack_old
from mlops_desk.kit.storage.history.integers import (
    DamagedBlock,
    get_column,
    get_group,
    get_integers,
    put_column,
    put_group,
    put_integers,
)
from mlops_desk.kit.storage.history.scales import CurveScale, decode, encode, error_limit, grouped
from mlops_desk.machine.telemetry.history.precision import scale_of
from mlops_desk.machine.telemetry.metrics.table import METRICS

WHOLE = st.one_of(st.integers(-3, 3), st.integers(-70_000, 70_000), st.integers(-(1 << 60), 1 << 60))
NUMBERS = npst.arrays(np.int64, st.integers(0, 40), elements=WHOLE)
SCALES = st.builds(CurveScale, st.sampled_from([1e-6, 0.001, 0.5, 1.0, 1024.0, float(1 << 20)]), st.booleans())


@given(NUMBERS)
def test_integers_come_back(numbers: np.ndarray) -> None:
    data = b"x" + put_integers(numbers) + b"y"
    back, end = get_integers(data, 1, len(numbers))
    np.testing.assert_array_equal(back, numbers)
    assert end == len(data) - 1


@pytest.mark.slow
@given(NUMBERS, st.data())
def test_a_column_comes_back(numbers: np.ndarray, data: st.DataObject) -> None:
    states = data.draw(st.one_of(st.just(np.full(len(numbers), OK, np.uint8)), npst.arrays(np.uint8, len(numbers))))
    back, states_back = get_column(put_column(numbers, states), len(numbers))
    np.testing.assert_array_equal(back, numbers)
    np.testing.assert_array_equal(states_back, states)


def test_a_curve_that_stands_still_costs_nothing() -> None:
    assert len(put_column(np.full(900, 5, np.int64), np.full(900, OK, np.uint8))) <= 10


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_a_damaged_group_is_noticed(frames: list[bytes], data: st.DataObject) -> None:
    group = bytearray(put_group(frames))
    assert get_group(bytes(group)) == frames
    group[data.draw(st.integers(0, len(group) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedBlock):
        get_group(bytes(group))
    with pytest.raises(DamagedBlock):
        get_group(bytes(group[:-1]))


@given(st.binary(max_size=60), st.integers(0, 50))
def test_garbage_is_no_column(data: bytes, rows: int) -> None:
    try:
        numbers, states = get_column(data, rows)
    except DamagedBlock:
        return
    assert len(numbers) == len(states) == rows


@given(SCALES, st.floats(0, 1e12), st.booleans())
def test_a_kept_value_is_as_near_as_its_scale_says(scale: CurveScale, value: float, negative: bool) -> None:
    value = -value if negative else value
    codes = encode(np.array([value]), scale)
    assert abs(float(decode(codes, scale)[0]) - value) <= error_limit(value, scale) * (1 + 1e-9) + abs(value) * 1e-12
    assert int(encode(decode(codes, scale), scale)[0]) == int(codes[0])  # packing again changes nothing
    assert CurveScale.parse(str(scale)) == scale


@given(SCALES, st.lists(st.floats(0, 1e12), min_size=2, max_size=20))
def test_codes_are_in_the_order_of_the_values(scale: CurveScale, values: list[float]) -> None:
    assert (np.diff(encode(np.sort(np.array(values)), scale)) >= 0).all()


@pytest.mark.parametrize("steps", [2430.75, 2431.25, 4866.2, 2047.6, 4095.4])
def test_a_rate_is_rounded_once(steps: float) -> None:
    """Rounded to whole steps before, 2430.75 would become 2431 and then 2432, further off than the next code is."""
    scale = CurveScale(1024.0, growing=True)
    value = steps * scale.step
    assert abs(float(decode(encode(np.array([value]), scale), scale)[0]) - value) <= error_limit(value, scale)


@given(st.sampled_from(METRICS), st.floats(0, 1))
def test_history_is_as_exact_as_the_metric_declares(metric, share: float) -> None:
    value = metric.low + share * min(metric.high - metric.low, metric.resolution * 1e5)
    scale = scale_of(("d", metric.name, metric.unit))
    stored = float(decode(encode(np.array([value]), scale), scale)[0])
    assert abs(stored - value) <= max(metric.resolution / 2, abs(value) / 2048 if metric.kind == "rate" else 0) * 1.001


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Block, list[CurveScale]]:
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(0, 9))
    keys = tuple(("GPU-1", f"m{n}", "1") for n in range(columns))
    states = draw(npst.arrays(np.uint8, (rows, columns), elements=st.integers(0, 9)))
    values = draw(npst.arrays(np.float32, (rows, columns), elements=st.floats(0, 1e6, width=32)))
    times = draw(npst.arrays(np.float64, rows, elements=st.floats(0, 2e9)))
    return Block(keys, times, np.where(states == OK, values, np.nan).astype(np.float32), states), draw(
        st.lists(SCALES, min_size=columns, max_size=columns)
    )


@pytest.mark.slow
@given(blocks())
def test_a_block_comes_back_as_exact_as_its_scales(drawn: tuple[Block, list[CurveScale]]) -> None:
    block, scales = drawn
    rows = unpack(pack(coded(block, grouped(scales))), len(block.times), len(block.keys))
    back = uncoded(rows, block.keys, grouped(scales))
    np.testing.assert_array_equal(back.states, block.states)
    some = np.arange(len(scales))[::2]
    part = unpack(pack(coded(block, grouped(scales))), len(block.times), len(block.keys), some)
    np.testing.assert_array_equal(part.codes, rows.codes[:, some])
    np.testing.assert_array_equal(part.states, rows.states[:, some])
    np.testing.assert_allclose(back.times, block.times, atol=0.0005 + 1e-6)
    for column, scale in enumerate(scales):
        for value, stored in zip(block.values[:, column], back.values[:, column], strict=True):
            assert np.isnan(value) == np.isnan(stored)
            if not np.isnan(value):
                assert abs(float(value) - float(stored)) <= error_limit(float(value), scale) * 1.001 + abs(value) * 1e-6


@given(blocks(), st.data())
def test_a_damaged_block_is_noticed(drawn: tuple[Block, list[CurveScale]], data: st.DataObject) -> None:
    block, scales = drawn
    rows = coded(block, grouped(scales))
    packed = bytearray(pack(rows))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = unpack(bytes(packed), len(block.times), len(block.keys))
    except DamagedBlock:
        return
    np.testing.assert_array_equal(read.codes, rows.codes)  # a bit of the frame's header that carries nothing


def test_a_block_that_claims_to_be_huge_takes_no_memory() -> None:
    claims = bytes.fromhex("28b52ffdf4103d00000800010074") + b"x" * 9
    for version in (b"\x01", b"\x02"):
        with pytest.raises(DamagedBlock):
            unpack_old(version + claims, (), 2) if version == b"\x01" else unpack(version + claims, 2, 1)


def test_a_block_of_the_first_version_is_still_read() -> None:
    """Made by the program of 2026-11-20: two rows of two curves, the second with a gap."""
    old = bytes.fromhex(OLD_BLOCK)
    block = unpack_old(old, (("GPU-1", "hw.power", "W"), ("host", "load", "1")), 2)
    assert list(block.times) == [1.7e9, 1.7e9 + 1]
    np.testing.assert_array_equal(block.values, np.array([[100.5, 0.25], [101.0, np.nan]], np.float32))
    np.testing.assert_array_equal(block.states, [[1, 1], [1, 6]])


@pytest.mark.slow
@given(npst.arrays(np.uint8, (7, 3), elements=st.integers(0, 1)), npst.arrays(np.int64, (7, 3), elements=WHOLE))
def test_a_gap_repeats_what_was_before_it(states: np.ndarray, codes: np.ndarray) -> None:
    filled = held(codes, states)
    for column in range(3):
        there = np.flatnonzero(states[:, column] == OK)
        for row in range(7):
            before = there[there <= row]
            if len(there):
                source = before[-1] if len(before) else there[0]
                assert filled[row, column] == codes[source, column]


OLD_BLOCK = "0128b52ffd2424fd0000b800000040fc54d941000040c9ca80c042423e7f010101060200608065c50bae51c703"
