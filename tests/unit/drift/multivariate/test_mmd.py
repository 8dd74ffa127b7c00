"""MMD against its definition, on samples of one law and of two, and whatever the points are."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist, pdist

from mlops_desk.drift.multivariate.joint import mmd2


def by_definition(x, y):
    """Gretton et al. 2012, equation 3, pair by pair."""
    s = np.median(pdist(np.concatenate([x, y])))
    k = [np.exp(-(cdist(a, b) ** 2) / (2 * s * s)) for a, b in ((x, x), (y, y), (x, y))]
    n, m = len(x), len(y)
    within = [(one.sum() - np.trace(one)) / (size * (size - 1)) for one, size in zip(k[:2], (n, m), strict=True)]
    return sum(within) - 2 * k[2].mean(), s


@pytest.mark.parametrize(("n", "m", "k"), [(2, 2, 1), (7, 4, 3), (30, 41, 2)])
def test_it_is_its_definition_with_the_median_distance(n, m, k):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, k)), rng.normal(0.5, 1, size=(m, k))
    found = mmd2(x, y)
    expected, bandwidth = by_definition(x, y)
    assert (found.value, found.bandwidth) == pytest.approx((expected, bandwidth), rel=1e-9)


points = arrays(np.float64, st.tuples(st.integers(2, 9), st.just(2)), elements=st.integers(-2, 2).map(float))


@settings(max_examples=40, deadline=None)
@given(points, points)
@example(np.zeros((5, 2)), np.zeros((3, 2)))
@example(np.zeros((5, 2)), np.ones((3, 2)))
def test_nothing_raises_and_p_is_never_0(x, y):
    found = mmd2(x, y)
    assert np.isfinite(found.value)
    assert 1 / 501 <= found.p_value <= 1


def test_samples_of_nothing_have_none():
    assert mmd2(np.zeros((1, 2)), np.zeros((9, 2))).value is None
    same = mmd2(np.full((40, 3), 0.1), np.full((40, 3), 0.1))
    assert (same.value, same.p_value) == (0.0, 1.0)


def test_what_no_column_alone_can_see_is_seen():
    """Two columns, each of one law on both sides, that begin to hang together."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(400, 2))
    x, y = rng.normal(size=(400, 2)), np.stack([z[:, 0], 0.8 * z[:, 0] + 0.6 * z[:, 1]], axis=1)
    assert mmd2(x, y).p_value == pytest.approx(1 / 501)


def test_without_a_change_few_alarm():
    """5 of 100 are expected; the binomial law's 99.9 % point of 60 is 9."""
    rng = np.random.default_rng(2)
    found = [mmd2(rng.normal(size=(40, 3)), rng.normal(size=(60, 3))).p_value for _ in range(60)]
    assert sum(p < 0.05 for p in found) <= 9
    assert 0.3 < np.mean(found) < 0.7


def test_it_is_the_same_each_time_and_tells_how_far_it_is():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    heard = []
    assert mmd2(x, y, lambda done, total: heard.append((done, total))) == mmd2(x, y)
    assert heard[:2] == [(0, 500), (50, 500)]
    assert len(heard) == 10
