"""A report's page: above stands what has drifted though no column has, and it is a file that a mail may carry."""

from dataclasses import replace

import duckdb
import pytest

from mlops_desk.drift.html_report.dataset_sections import beyond
from mlops_desk.drift.html_report.document import page
from mlops_desk.drift.records.report import DatasetDrift, DriftReport, JointDrift
from mlops_desk.drift.records.segments import Segment, SegmentDrift
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.worker import compare_files

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


@pytest.mark.slow
@pytest.mark.usefixtures("one_database")
def test_the_page_of_fifty_columns_with_long_names_and_labels_has_less_than_two_megabytes(tmp_path):
    """The largest that fifty columns make: every name and label is longer than what is shown of it, all have drifted."""
    name = "a column with a rather long name " * 5
    columns = [f'random() * 1e6 + {{0}} * 1e6 AS "{name}{at}"' for at in range(20)]
    columns += [f"repeat('long label ', 18) || (i % 90 + {{0}} * 45) AS \"{name}c{at}\"" for at in range(20)]
    columns += [f"repeat('word' || {{0}} || ' ', 60) || hash(i) AS \"{name}t{at}\"" for at in range(5)]
    columns += [f"TIMESTAMP '2024-01-01' + INTERVAL 1 HOUR * (i + 400 * {{0}}) AS \"{name}d{at}\"" for at in range(5)]
    paths = [tmp_path / f"{at}.parquet" for at in range(2)]
    with duckdb.connect() as connection:
        for at, path in enumerate(paths):
            listed = ", ".join(columns).format(at)
            connection.execute(f"COPY (SELECT {listed} FROM range(400) AS t(i)) TO '{path}' (FORMAT parquet)")
    report = compare_files(*paths)
    assert report.dataset.n_drifted == 50
    written = page(report).encode()
    assert 50_000 < len(written) < 2_000_000
    assert b"<script" not in written
