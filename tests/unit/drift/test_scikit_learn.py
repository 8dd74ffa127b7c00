"""What scikit-learn has learned, as plain numbers: it tells the same, of missing and strange values too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.drift import scikit_learn
from mlops_desk.kit.base import wire


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(40, 300), st.floats(0, 0.5))
def test_kept_trees_tell_what_the_regressor_tells(seed, n, missing):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 3)) * 10.0 ** rng.integers(-3, 4, 3)
    inputs[rng.random(inputs.shape) < missing] = np.nan
    fitted = scikit_learn.regressor(1).fit(inputs, np.nan_to_num(inputs[:, 0]) + rng.normal(size=n))
    kept = wire.loads(wire.dumps(scikit_learn.trees_of(fitted)), scikit_learn.Trees)
    asked = np.concatenate([inputs, inputs * 100.0, np.full((1, 3), np.nan), np.zeros((1, 3))])
    assert kept.predict(asked) == pytest.approx(fitted.predict(asked), rel=1e-12, abs=1e-12)


def test_a_reference_of_one_value_is_one_leaf():
    fitted = scikit_learn.regressor(1).fit(np.zeros((50, 2)), np.full(50, 3.5))
    assert scikit_learn.trees_of(fitted).predict(np.array([[1.0, np.nan], [0.0, 0.0]])).tolist() == [3.5, 3.5]


def test_models_that_are_kept_otherwise_are_not_read():
    assert scikit_learn.trees_of(object()) is None
