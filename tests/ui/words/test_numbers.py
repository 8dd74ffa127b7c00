"""Numbers and times in words."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.desk.window.overview import tiles
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.gpus.window import facts, tables
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.window.tables import view
from mlops_desk.kit.window.words import gpus, marks, numbers
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.serving.records.endpoint import EndpointState


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (numbers.size(71.2 * (1 << 30)), "71.2 GiB"),
        (numbers.size_of(0.5 * (1 << 30), 80 * (1 << 30)), "0.5 / 80 GiB"),
        (numbers.size_of(218 * (1 << 30), 1 << 40), "218 / 1024 GiB"),
        (numbers.size(None), "–"),
        (numbers.byte_rate(3.1e9), "3.1 GB/s"),
        (numbers.bit_rate(1.5e8), "1.2 Gb/s"),
        (numbers.seconds(0.0032), "3.2 ms"),
        (numbers.duration(190_000), "2 d 4 h"),
        (numbers.duration(59), "59 s"),
        (numbers.ago(100.0, 160.0), "1 min ago"),
        (numbers.ago(None), "–"),
        (numbers.percent(0.004, 1), "0.4 %"),
        (numbers.percent(None), "–"),
        (numbers.watts(None), "–"),
        (numbers.celsius(-5.0), "-5 °C"),
        (numbers.hertz(1.41e9), "1410 MHz"),
        (numbers.joules(7.2e6), "2 kWh"),
        (numbers.number(12_345.0), "12,345"),
        (numbers.number(0.12345), "0.123"),
        (numbers.size(1023), "1023 B"),
        (numbers.size(1024), "1 KiB"),
        (numbers.size_of(None, 80 * (1 << 30)), "– / 80 GiB"),
        (numbers.size_of(3 * (1 << 30), None), "3 GiB"),
        (numbers.seconds(0.0), "0 ms"),
        (numbers.seconds(1.0), "1 s"),
        (numbers.seconds(2e-6), "2 µs"),
        (numbers.duration(3600), "1 h"),
        (numbers.duration(3660), "1 h 1 min"),
        (numbers.duration(65), "1 min"),
        (numbers.duration(-3), "0 s"),
        (numbers.ago(100.0, 103.0), "just now"),
        (numbers.ago(100.0, 106.0), "6 s ago"),
        (numbers.ago(103.0, 100.0), "just now"),
        (numbers.ago(200.0, 100.0), "in 1 min"),
        (numbers.ago(0.0, 190_000.0), "2 d ago"),
        (numbers.count(1, "job"), "1 job"),
        (numbers.count(1200, "row"), "1,200 rows"),
    ],
)
def test_words(text, said):
    assert text.replace(numbers.THIN, " ") == said


def test_every_state_has_colour_shape_and_word():
    for states, table in (
        (JobState, marks.JOB_MARKS), (EndpointState, marks.ENDPOINT_MARKS), (Verdict, marks.VERDICT_MARKS),
        (GpuState, marks.GPU_MARKS), (RetrainState, marks.RETRAIN_MARKS),
    ):  # fmt: skip
        assert set(states) == set(table)
        assert all(mark.token and mark.shape and mark.word for mark in table.values())


def test_a_moment_of_another_day_has_its_date_though_the_clock_agrees():
    now = 1_790_000_000.0
    assert numbers.day_and_clock(now - 1, now) == time.strftime("%H:%M:%S", time.localtime(now - 1))
    for days in (1, 365):
        earlier = now - days * 86_400
        assert numbers.day_and_clock(earlier, now) == time.strftime("%Y-%m-%d %H:%M", time.localtime(earlier))


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e18))
def test_numbers_are_always_short(value):
    for text in (
        numbers.size(value),
        numbers.byte_rate(value),
        numbers.seconds(value),
        numbers.duration(min(value, 1e12)),
    ):
        assert 0 < len(text) < 24


@given(st.text())
@example("=1+1")
@example("\t=1+1")
@example("@sum(a1)")
def test_a_copied_cell_is_no_formula_unless_it_is_a_number(text):
    cell = view.inert(text)
    assert cell.endswith(text)
    if cell.startswith(("=", "@", "\t", "\r")):
        raise AssertionError(cell)


def test_numbers_are_copied_as_they_are():
    assert [view.inert(cell) for cell in ("-3.5", "+1.2e+5", "-12 °C")] == ["-3.5", "+1.2e+5", "-12 °C"]
    for formula in ("-cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "+1 of them"):
        assert view.inert(formula) == "'" + formula


def test_a_tab_in_a_copied_cell_begins_no_other_cell():
    assert view.as_text([["a\tb", "c"], ["d", "e"]]) == "a b\tc\nd\te"


def test_a_client_of_mps_holds_a_gpu_and_is_named_as_one():
    screen = GpuProcess(8, "root", "/usr/lib/xorg/Xorg", 1 << 20, kind="graphics")
    client = GpuProcess(7, "bo", "python serve.py", 1 << 30, kind="mps")
    gpu = Gpu("GPU-a", 0, "NVIDIA H100", None, GpuState.OK, processes=(screen, client), processes_known=True)
    assert gpus.gpu_mark(gpu).text.endswith("outside job")
    assert gpus.who(gpu) == "python · bo"
    kind = next(column for column in tables.processes({}) if column.key == "kind")
    assert (kind.cell(client).text, kind.hidden) == ("MPS", False)


def test_a_gpu_that_nobody_may_have_says_why():
    lease = LeaseInfo("unknown", text="the lease file /x of eve\x1b[31m is damaged", trouble="Damaged\x1b[31m.")
    gpu = Gpu("GPU-a", 0, "NVIDIA H100", None, GpuState.OK, lease, processes_known=True)
    assert gpus.gpu_mark(gpu).text.endswith("unknown")
    assert gpus.who(gpu) == "the lease file /x of eve\\x1b[31m is damaged"
    assert "\nDamaged\\x1b[31m." in tiles._gpu_tip(gpu, None)


@pytest.mark.parametrize(
    ("action", "said"),
    [(None, "not reported"), (0.0, "nothing"), (6.0, "reset this GPU over the bus"), (42.0, "action 42")],
)
def test_what_the_driver_asks_for_is_never_called_unknown_when_it_asks(action, said):
    reading = Reading(action, "1", MetricState.OK if action is not None else MetricState.NOT_SUPPORTED)
    gpu = Gpu("GPU-a", 0, "NVIDIA H100", None, GpuState.OK, metrics={"hw.gpu.recovery_action": reading})
    asked = next(fact for fact in facts.health(gpu) if fact.name == "Driver asks to")
    assert said in asked.value
    assert (asked.tone == "alert") == bool(action)
