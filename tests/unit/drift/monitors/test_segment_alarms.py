"""How often a monitor by segment alarms without drift: whole and segments together, as one window and by two of three.

The bounds: 20 columns and four segments, without drift. A window of the whole alarms in at most 6 % of cases, and by two
of three the monitor turns in at most 3 %. Of 18 windows at most 3 are alarms in 98 % of runs (binomial at 6 %), of six
triples at most one turns in 98.8 % (at 3 %); seeds are fixed, so that a run tells of the code and not of chance. The laws
have the sizes in turns.
"""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from mlops_desk.drift.monitors.state_machine import followed
from mlops_desk.drift.monitors.worker import compare_segmented
from mlops_desk.drift.records.monitors import JudgedWindow
from mlops_desk.drift.records.report import DriftOptions
from tests.drift_segments import cut, segmented
from tests.unit.drift.test_false_alarms import LAWS

pytestmark = pytest.mark.usefixtures("one_database")

SIZES = ((600, 200), (2000, 400), (4000, 800), (1000, 1000))
PLANS, SHARES = np.array(["free", "pro", "team", None], dtype=object), (0.5, 0.25, 0.15, 0.1)
WINDOWS_AT_MOST, TRIPLES_AT_MOST = 3, 1  # of 18 and of six; see above


def rows(random, law, n):
    """Make rows of 20 columns: 14 numbers with gaps by the law, 4 categories, 2 flags, and the plan."""
    found = {"plan": random.choice(PLANS, n, p=SHARES)}
    for at in range(14):
        found[f"n{at}"] = np.where(random.random(n) < 0.05, np.nan, LAWS[law](random, n))
    for at in range(4):
        shares = np.arange(1, 4 + 2 * at) / np.arange(1, 4 + 2 * at).sum()
        found[f"c{at}"] = [f"k{one}" for one in random.choice(len(shares), n, p=shares)]
    for at in range(2):
        found[f"b{at}"] = random.random(n) < 0.2 + 0.3 * at
    return pd.DataFrame(found)


def followed_windows(reference, current, size):
    windows = []
    for at, one in enumerate(cut(current, reference, size, size, size)):
        report = compare_segmented(reference, one, DriftOptions())
        window = JudgedWindow(
            f"w{at}", "m", float(at), at + 1.0, size, report.verdict, alarm=False, columns={}, segments=report.segments
        )
        windows.append(followed(windows, window, 2, 3))
    return windows


@pytest.mark.slow
@pytest.mark.timeout(400)  # half a minute of work, on a machine whose cores are all taken
def test_a_monitor_by_segment_seldom_alarms_without_drift():
    bad, turned = Counter(), Counter()
    for at, (law, (n, m)) in enumerate((law, SIZES[at % 4]) for at, law in enumerate(LAWS)):
        random = np.random.default_rng(77_000 + at)
        reference = segmented(rows(random, law, n), "plan")
        windows = followed_windows(reference, rows(random, law, 3 * m), m)
        assert {len(one.segments.segments) for one in windows} == {4}
        bad[law] += sum(one.is_bad for one in windows)
        turned[law] += any(one.alarm for one in windows)
    assert sum(bad.values()) <= WINDOWS_AT_MOST, bad
    assert sum(turned.values()) <= TRIPLES_AT_MOST, turned


@pytest.mark.slow
def test_a_segment_of_a_twentieth_that_moves_by_one_deviation_is_found():
    """It is one of four, in one of 20 columns, of windows of 2,000 rows: both times, and no other segment turns."""
    for at in range(2):
        random = np.random.default_rng(at)
        before, now = rows(random, "normal", 4000), rows(random, "normal", 6000)
        rare = now["plan"].isna()
        now.loc[rare, "n3"] += 2.0
        windows = followed_windows(segmented(before, "plan"), now, 2000)
        assert [one.alarm for one in windows] == [False, True, True]
        turned = [one for one in windows[-1].segments.segments if one.alarm]
        assert [one.value for one in turned] == [None]
        assert "n3" in turned[0].since
