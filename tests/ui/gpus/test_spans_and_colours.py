"""The curves of a GPU: a metric's colour is the same for every GPU, a scale stands, a verdict and its curve agree."""

import pytest

from mlops_desk.gpus.window import facts
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.traces import Drawn, Trace
from mlops_desk.kit.window.curves.track import of_points
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.records.status import Diagnosis


def colours(page):
    return {
        (name, trace.metric): trace.slot
        for name, chart in page.curves.charts.items()
        if name != "processes"
        for trace in chart.traces
    }


def test_a_metric_has_one_colour_whichever_gpu_is_shown(start, double, qtbot):
    page = start(double, "gpus").window.page()
    qtbot.waitUntil(lambda: page.gpu() is not None)
    first = colours(page)
    for uuid in (page.context.store.status.gpus[1].uuid, page.context.store.status.gpus[4].uuid):
        page.reveal(uuid)
        other = colours(page)
        assert page.gpu().uuid == uuid
        assert {key: other[key] for key in first if key in other} == {key: first[key] for key in first if key in other}
    for name, chart in page.curves.charts.items():
        slots = [trace.slot for trace in chart.traces]
        assert len(set(slots)) == len(slots), name


def drawn(chart, *values, end=1000.0):
    points = [(end - len(values) + number + 1, value) for number, value in enumerate(values)]
    chart.show_tracks([Drawn("in", 0, of_points(points))], Span(end - 60.0, end), [MetricState.OK])
    chart.frame()
    return chart._scale


@pytest.fixture
def traffic(qtbot):
    chart = Chart("PCIe", numbers.byte_rate, decades_from=1000.0)
    qtbot.addWidget(chart)
    chart.resize(600, 120)
    return chart


def test_the_scale_of_traffic_stands_whatever_it_does(traffic):
    quiet = drawn(traffic, 2000.0, 3000.0)
    assert quiet.decades
    assert (quiet.low, quiet.high) == (1000.0, 10_000_000.0)
    busy = drawn(traffic, 0.0, 3e9)
    assert (busy.low, busy.high, busy.decades) == (1000.0, 1e10, True)
    again = drawn(traffic, 0.0, 0.0, 5e5)
    assert (again.low, again.high, again.decades) == (busy.low, busy.high, True)


def test_another_gpus_traffic_begins_with_a_scale_of_its_own(traffic):
    drawn(traffic, 3e9)
    traffic.show_traces([Trace("in", "gpu-2", "hw.gpu.io.receive", 0)])
    assert drawn(traffic, 5e5).high == 10_000_000.0


def test_what_the_head_says_is_of_the_minute_that_the_verdict_judges(qtbot):
    chart = Chart("Slowed by", numbers.percent, top=1.0, stacked=True, nothing="nothing", mean_seconds=60.0)
    qtbot.addWidget(chart)
    chart.resize(600, 60)
    chart.show()
    drawn(chart, *[0.0] * 40, *[0.8] * 30, *[0.0] * 30)
    chart.read_newest()
    assert [(text.split("\u202f")[0], slot) for text, slot in chart.said] in ([("in 40", 0)], [("in 39", 0)])
    chart.read_at(1000.0)
    assert chart.said == []


@pytest.mark.parametrize(
    ("cause", "told"), [("throttled", "nothing at this moment, but within the last minute"), ("loader", "nothing")]
)
def test_slowed_by_nothing_is_not_said_beside_a_verdict_of_the_contrary(start, double, cause, told):
    gpu = next(one for one in start(double).store.status.gpus if not one.throttle_reasons and not one.note)
    found = {fact.name: fact.value for fact in facts.state(gpu, Diagnosis(gpu.uuid, cause, "Slowed down by heat", ""))}
    assert found["Slowed by"] == told
