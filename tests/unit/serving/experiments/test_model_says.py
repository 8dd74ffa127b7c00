"""What models say of their columns themselves, followed back to the columns that they are given."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from tests.unit.serving.experiments.test_column_importance import program

says = program("model_says")
NAMES = ["a", "b", "c", "d"]


def frame(n=300):
    some = np.random.default_rng(0)
    found = pd.DataFrame({
        "a": some.normal(size=n), "b": some.normal(size=n) * 10, "c": some.choice(["x", "y", "z"], n),
        "d": some.normal(size=n),
    })  # fmt: skip
    found.loc[:20, "a"] = np.nan
    target = ((found["b"] / 10 + (found["c"] == "x") * 2 + some.normal(size=n) * 0.1) > 0.8).astype(int)
    return found, target


def prepared(**more):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return ColumnTransformer(
        [("cat", OneHotEncoder(**more), ["c"]), ("num", numbers, ["b", "a"])], remainder="passthrough"
    )


def read(model, data, names=NAMES):
    method, values = says.read(model, names, lambda: data)
    return method, dict(zip(names, values, strict=True))


def test_importances_of_made_columns_are_added_to_what_they_were_made_of() -> None:
    data, target = frame()
    model = make_pipeline(prepared(), RandomForestClassifier(random_state=0)).fit(data, target)
    method, found = read(model, data)
    made = dict(zip(model[:-1].get_feature_names_out(), model[-1].feature_importances_, strict=True))
    assert method == "feature_importances"
    assert found["c"] == pytest.approx(sum(made[f"cat__c_{one}"] for one in "xyz"))
    assert found["a"] == pytest.approx(made["num__a"] + made["num__missingindicator_a"])
    assert found["b"] == pytest.approx(made["num__b"])
    assert found["d"] == pytest.approx(made["remainder__d"])
    assert sum(found.values()) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("library", [xgboost.XGBClassifier, lightgbm.LGBMClassifier])
def test_boosters_tell_their_gain_behind_other_steps(library) -> None:
    data, target = frame()
    more = {"verbose": -1} if library is lightgbm.LGBMClassifier else {}
    last = library(n_estimators=10, **more)
    model = make_pipeline(prepared(drop="first"), SelectKBest(k=3), last).fit(data, target)
    method, found = read(model, data)
    assert method == "gain"
    assert found["b"] > 0
    assert found["c"] > 0
    assert found["a"] == found["d"] == 0.0, "they were not selected"


@pytest.mark.slow
def test_the_gain_of_bare_boosters_is_the_sum_over_all_splits() -> None:
    data, target = frame()
    data = data[["d", "b"]]
    one = xgboost.train({}, xgboost.DMatrix(data, label=target), 5)
    assert read(one, data, ["b", "d"])[1] == pytest.approx(one.get_score(importance_type="total_gain"))
    other = lightgbm.train({"verbose": -1}, lightgbm.Dataset(data, label=target), 5)
    wanted = dict(zip(["d", "b"], other.feature_importance("gain"), strict=True))
    assert read(other, data, ["b", "d"])[1] == pytest.approx(wanted)
    nameless = xgboost.train({}, xgboost.DMatrix(data.to_numpy(), label=target), 5)
    assert read(nameless, data, ["d", "b"])[1] == pytest.approx(one.get_score(importance_type="total_gain"), rel=1e-3)


def test_coefficients_count_by_how_far_their_columns_move_the_sum() -> None:
    data, _ = frame()
    data = data[["b", "d"]]
    target = 3 * data["b"] - 0.5 * data["d"]
    method, found = read(LinearRegression().fit(data, target), data, ["b", "d"])
    assert method == "coefficients"
    assert found["b"] == pytest.approx(3 * data["b"].std(ddof=0))
    assert found["d"] == pytest.approx(0.5 * data["d"].std(ddof=0))


def test_categories_weigh_the_same_whichever_of_them_is_left_out() -> None:
    data, _ = frame()
    data = data[["c", "d"]]
    target = (data["c"] == "x") * 2.0 + data["d"] * 0.5
    weights = []
    for drop in (["x"], ["y"]):
        step = ColumnTransformer([("cat", OneHotEncoder(drop=drop), ["c"])], remainder="passthrough")
        weights.append(read(make_pipeline(step, LinearRegression()).fit(data, target), data, ["c", "d"])[1])
    assert weights[0] == pytest.approx(weights[1])
    assert weights[0]["c"] == pytest.approx(2.0 * (data["c"] == "x").std(ddof=0))


def test_of_several_classes_it_is_their_mean_and_searches_are_looked_into() -> None:
    data, _ = frame()
    data = data[["b", "d"]]
    target = pd.cut(data["b"], 3, labels=["low", "mid", "high"]).astype(str)
    found = read(make_pipeline(StandardScaler(), LogisticRegression()).fit(data, target), data, ["b", "d"])[1]
    assert found["b"] > 10 * found["d"]
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}).fit(data, data["b"])
    assert read(search, data, ["d", "b"])[1]["d"] < 0.01
    turned = TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()).fit(data, data["b"])
    assert read(turned, data, ["b", "d"])[0] == "coefficients"


@pytest.mark.slow
def test_columns_may_be_chosen_by_place_mask_slice_or_kind() -> None:
    data, target = frame()
    for chosen in ([1, 3], [-3, -1], slice(1, 4, 2), [False, True, False, True], make_column_selector("^[bd]$")):
        step = ColumnTransformer([("num", StandardScaler(), chosen)])
        model = make_pipeline(step, RandomForestClassifier(random_state=0)).fit(data, target)
        found = read(model, data)[1]
        assert found["a"] == found["c"] == 0.0, chosen
        assert found["b"] > found["d"] > 0.0, chosen


def test_rare_categories_are_one_column() -> None:
    data, target = frame()
    data.loc[data.index[:3], "c"] = ["p", "q", "r"]
    step = ColumnTransformer(
        [("cat", OneHotEncoder(min_frequency=5), ["c"]), ("rest", "passthrough", ["b"])], remainder="drop"
    )
    model = make_pipeline(step, RandomForestClassifier(random_state=0)).fit(data, target)
    made = dict(zip(model[:-1].get_feature_names_out(), model[-1].feature_importances_, strict=True))
    assert "cat__c_infrequent_sklearn" in made
    assert read(model, data)[1]["b"] == pytest.approx(made["rest__b"])


@pytest.mark.slow
def test_a_model_that_learned_other_columns_or_none_says_nothing() -> None:
    data, target = frame()
    data = data[["b", "d"]]
    for model, names, said in (
        (make_pipeline(PCA(2), LogisticRegression()), ["b", "d"], "PCA makes columns out of several"),
        (make_pipeline(PolynomialFeatures(), Ridge()), ["b", "d"], "PolynomialFeatures makes columns"),
        (make_pipeline(FunctionTransformer(np.cbrt), Ridge()), ["b", "d"], "FunctionTransformer makes columns"),
        (KNeighborsClassifier(), ["b", "d"], "KNeighborsClassifier does not say"),
        (HistGradientBoostingClassifier(max_iter=3), ["b", "d"], "does not say"),
        (RandomForestClassifier(), ["b", "other", "third"], "learned by 2 columns, and takes 3"),
    ):
        with pytest.raises(says.NotSaid, match=said):
            read(model.fit(data, target), data, names)
    with pytest.raises(says.NotSaid, match="of no column that it matters"):
        read(RandomForestClassifier().fit(data, np.zeros(len(data))), data, ["b", "d"])
    with pytest.raises(AttributeError, match="coef_"):
        SVC().fit(data, target).coef_  # noqa: B018 - only a linear one has them
    with pytest.raises(says.NotSaid, match="SVC does not say"):
        read(SVC().fit(data, target), data, ["b", "d"])


def test_a_model_that_holds_itself_is_an_end() -> None:
    class Loop:
        @property
        def best_estimator_(self):
            return self

    with pytest.raises(says.NotSaid, match="too deep"):
        says.read(Loop(), ["a"], lambda: None)
