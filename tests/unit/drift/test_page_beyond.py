"""A report's page says above what has drifted though no column has: rows as wholes, and segments."""

from dataclasses import replace

import pytest

from mlops_desk.drift.page.beside import beyond
from mlops_desk.drift.page.document import page
from mlops_desk.records.drift import DatasetDrift, DriftReport, Verdict
from mlops_desk.records.drift.multivariate import JointDrift
from mlops_desk.records.drift.segments import Segment, SegmentDrift

CALM = DriftReport(Verdict.OK, (), DatasetDrift(800, 800, 4, 0, 0.0))
JOINT = replace(CALM, joint=JointDrift(Verdict.DRIFT, 800, 800))
SEGMENTS = replace(
    CALM,
    segments=SegmentDrift("country", (Segment("DE", Verdict.CRITICAL, 90, 90), Segment("FR", Verdict.OK, 90, 90)), 8),
)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (CALM, ()),
        (JOINT, ("Rows as wholes have drifted: columns hang together otherwise than before.",)),
        (SEGMENTS, ("Within 1 of 2 segments columns have drifted.",)),
        (replace(JOINT, joint=JointDrift(Verdict.OK, 800, 800)), ()),
        (replace(JOINT, verdict=Verdict.DRIFT), ()),
    ],
)
def test_what_no_column_tells_stands_below_the_headline(report, told):
    assert beyond(report) == told
    written = page(report)
    head = written[: written.index('<section class="facts">')]
    assert all(one in head for one in told)
