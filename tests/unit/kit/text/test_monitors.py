"""Monitors and their windows as text: what a person reads, whatever columns are called, and the words of the commands."""

from dataclasses import replace

import pytest

from mlops_desk.desk.cli import output
from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.drift.records.monitors import (
    ColumnScore,
    ColumnStory,
    ColumnWindow,
    JudgedWindow,
    Monitor,
    MonitorStanding,
    MonitorState,
    WindowRule,
)
from mlops_desk.drift.records.segments import Segment, SegmentColumn, SegmentDrift
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.errors import Hint

HOSTILE = "\x1b[2J\u202eage"
MONITOR = Monitor("m1", "digits", Source(SourceKind.LOG, "digits"), endpoint="digits", model="digits/3")
TURNED = MonitorStanding(
    MONITOR,
    MonitorState.TURNED,
    verdict=Verdict.DRIFT,
    turned_at=1000.0,
    since={HOSTILE: 1000.0, "city": 1000.0, "wage": 2000.0},
    n_columns=12,
    n_drifted=3,
    sentence=f"3 of 12 columns have drifted: {HOSTILE} 38.2 → 51.7.",
    hint=Hint("mlops-desk endpoints requests digits", before="Look at the rows: "),
    alert_id="a1",
    strip=(Verdict.OK, Verdict.WARNING, Verdict.INSUFFICIENT_DATA, Verdict.DRIFT, Verdict.CRITICAL),
)
SCORE = ColumnScore(Verdict.DRIFT, 1.2, "wasserstein_normed", 0.1, 1e-9, 0.0, before=38.2, now=51.7)
LOST = ColumnScore(
    Verdict.CRITICAL, 0.9, "missing", 0.01, 0.0, 0.9, before=0.0, now=0.9, label="missing", of_quality=True
)
WINDOW = JudgedWindow(
    "w" * 32, "m1", 1000.0, 2000.0, 1000, Verdict.CRITICAL, alarm=True, report_id="r1",
    columns={"calm": ColumnScore(Verdict.OK), HOSTILE: SCORE, "lost": LOST},
)  # fmt: skip


def test_one_monitor_says_how_it_stands_and_since_when() -> None:
    text = output.text(TURNED)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "turned" in text
    assert "Look at the rows: mlops-desk endpoints requests digits" in text
    assert ".-?#!" in text
    assert "requests to digits, model digits/3" in text
    lines = [line for line in text.splitlines() if line.startswith("since ")]
    assert [line.split()[-1] for line in lines] == ["city", "wage"]


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (Reference(), "the training data logged with the model"),
        (Reference(ReferenceKind.FILE, path="/data/\x1b[2Jx.csv"), "/data/"),
        (Reference(ReferenceKind.PREVIOUS), "the window before"),
        (Reference(ReferenceKind.PINNED, start=0.0, end=60.0), "of the same"),
    ],
)
def test_what_windows_are_held_against_is_said(reference: Reference, told: str) -> None:
    monitor = Monitor("m1", "x", Source(SourceKind.FILE, "/d"), reference=reference, window=WindowRule(None, 3600.0))
    text = output.text(MonitorStanding(monitor, MonitorState.WAITING, sentence="Waits."))
    assert told in text
    assert "\x1b" not in text
    assert "none yet" in text


def test_lists_are_tables() -> None:
    text = output.text([TURNED])
    assert "3 of 12" in text
    assert "\x1b" not in text
    windows = output.text([WINDOW])
    assert "critical" in windows
    assert windows.splitlines()[1].split()[-2:] == ["lost,", windows.splitlines()[1].split()[-1]]
    assert "\x1b" not in windows


def test_a_window_has_its_columns_the_worst_first() -> None:
    rows = output.text(WINDOW).splitlines()[-3:]
    assert [row.split()[0] for row in rows] == ["lost", "\\x1b[2J\\u202eage", "calm"]
    assert "0.0% missing" in rows[0]
    assert "90.0% missing" in rows[0]
    assert "38.2" in rows[1]


def test_a_column_over_time_has_the_reference_first() -> None:
    one = ColumnWindow(1000.0, 2000.0, 500, None, (1.0, 2.0, 3.0, 4.0, 5.0), score=0.4, verdict=Verdict.DRIFT)
    shares = ColumnWindow(2000.0, 3000.0, 500, 0.1, shares={HOSTILE: 0.7, "b": 0.3})
    text = output.text(ColumnStory("m1", HOSTILE, "numeric", one, (one, shares)))
    assert "\x1b" not in text
    assert text.splitlines()[2].startswith("reference")
    assert "70.0%" in text.splitlines()[4]


def test_the_words_of_the_commands() -> None:
    given = parse(("drift", "history", "digits", "--limit", "3"))
    assert (given.verb.path, arguments_of(given.verb, given)["limit"]) == ("/v1/monitors/history", 3)
    words = (
        "drift", "monitors", "create", "mine", "--endpoint", "digits", "--suppress", "id=it only names",
        "--rename", "new=old", "--span", "1h", "--needed", "3", "--of", "5", "--importance", "age=2",
    )  # fmt: skip
    given = parse(words)
    asked = arguments_of(given.verb, given)
    assert given.verb.path == "/v1/monitors/create"
    assert (asked["suppressed"], asked["renamed"], asked["span"]) == ({"id": "it only names"}, {"new": "old"}, 3600.0)
    assert (asked["needed"], asked["of"], asked["importance"], asked["rows"]) == (3, 5, {"age": "2"}, None)
    for word in ("list", "show", "remove", "pause", "resume", "check", "configure", "story", "recompute"):
        named = () if word == "list" else ("x", "y") if word == "story" else ("x",)
        assert parse(("drift", "monitors", word, *named)).verb.path == f"/v1/monitors/{word}"


def test_segments_stand_in_a_monitor_in_a_window_and_in_the_list_of_windows() -> None:
    moved = SegmentColumn("wage", "numeric", Verdict.DRIFT, 0.7, 0.001)
    segments = SegmentDrift(
        "plan",
        (
            Segment("pro\x1b[2J", Verdict.DRIFT, 300, 200, (moved,), 1, alarm=True, turned_at=1000.0),
            Segment(None, Verdict.NOT_COMPARED, 0, 40, is_unknown=True, n_values=3, names=("gold", "new")),
            Segment(None, Verdict.INSUFFICIENT_DATA, 12, 9),
        ),
        24,
    )
    by_plan = replace(MONITOR, segment="plan")
    text = output.text(replace(TURNED, monitor=by_plan, segments=segments))
    assert "\x1b" not in text
    lines = {line.strip(): line for line in text.splitlines()}
    assert "plan, corrected over all 24 tests together" in text
    assert "drift, turned since" in next(line for name, line in lines.items() if name.startswith("pro"))
    assert "40 rows, not compared: gold, new and 1 more" in text
    assert "insufficient data" in next(line for name, line in lines.items() if name.startswith("(missing)"))
    told = output.text(replace(WINDOW, columns={}, segments=segments))
    assert "turned" in next(line for line in told.splitlines() if line.startswith("pro"))
    assert "pro" in output.text([replace(WINDOW, columns={}, segments=segments)])
    assert "from the next window on" in output.text(replace(TURNED, monitor=by_plan))
    assert "by segment" not in output.text(TURNED)
