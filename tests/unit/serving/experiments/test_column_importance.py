"""What the container finds of a model's columns, by scikit-learn's own permutation_importance as the oracle."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.neighbors import KNeighborsClassifier

PLACE = Path(__file__).resolve().parents[4] / "resources" / "runtimes"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PLACE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


importance = program("column_importance")
NAMES = ["width", "height", "noise"]


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """Let the programs find one another, as they lie in one folder of the container."""
    monkeypatch.syspath_prepend(str(PLACE))


def table(n=120, seed=4):
    some = np.random.default_rng(seed)
    rows = some.normal(size=(n, 3))
    return rows, (rows[:, 0] + 0.5 * rows[:, 1] > 0).astype(int)


class Server:
    """The scoring server's model: JSON in, JSON out; ``raw`` is what it has loaded."""

    def __init__(self, answer, raw=None):
        self._answer = answer
        self._model = None if raw is None else Raw(raw)
        self.asked = 0

    def answer(self, body, kind):
        self.asked += 1
        split = json.loads(body)["dataframe_split"]
        assert kind == "application/json"
        assert split["columns"] == NAMES
        return Reply(200, json.dumps({"predictions": self._answer(split["data"])}).encode())


class Raw:
    def __init__(self, raw):
        self.get_raw_model = lambda: raw


class Reply:
    def __init__(self, status, body):
        self.status, self.body = status, body


def told(server, rows, labels, **more):
    """Weigh as the container does; return the means, the deviations and the last line."""
    order = {"columns": NAMES, "wanted": NAMES, "metric": None, "is_asked": False, "repeats": 5, "seed": 3, **more}
    heard = []
    labels = None if labels is None else list(labels)
    lines = list(importance.weighed(server, order, [list(row) for row in rows], labels, heard.append))
    for line in lines:
        json.dumps(line, allow_nan=False)
    means = [one for line in lines[:-1] for one in line["means"]]
    spread = [one for line in lines[:-1] for one in line["deviations"] or ()]
    return means, spread, lines[-1]


def test_shuffled_columns_lose_exactly_what_scikit_learn_says_they_lose() -> None:
    rows, labels = table()
    model = KNeighborsClassifier().fit(rows, labels)
    means, spread, end = told(Server(lambda data: model.predict(data).tolist()), rows, labels.tolist())
    wanted = permutation_importance(model, rows, labels, n_repeats=5, random_state=3, scoring="accuracy")
    assert means == pytest.approx(wanted.importances_mean, abs=1e-12)
    assert spread == pytest.approx(wanted.importances_std, abs=1e-12)
    assert end["metric"] == "accuracy"
    assert end["baseline"] == pytest.approx(model.score(rows, labels))
    assert end["method"] == "permutation"


def test_numbers_are_scored_by_r2_as_scikit_learn_does() -> None:
    rows, _ = table()
    target = rows[:, 0] * 3 + rows[:, 1]
    model = RandomForestRegressor(n_estimators=10, random_state=0).fit(rows, target)
    server = Server(lambda data: model.predict(data).tolist(), raw=model)
    means, spread, end = told(server, rows, target.tolist(), is_asked=True)
    wanted = permutation_importance(model, rows, target, n_repeats=5, random_state=3, scoring="r2")
    assert means == pytest.approx(wanted.importances_mean, abs=1e-9)
    assert spread == pytest.approx(wanted.importances_std, abs=1e-9)
    assert end["metric"] == "r2"


def test_probabilities_are_scored_by_log_loss_as_scikit_learn_does() -> None:
    rows, labels = table()
    model = RandomForestClassifier(n_estimators=10, random_state=0).fit(rows, labels)
    server = Server(lambda data: model.predict_proba(data).tolist())
    means, _, end = told(server, rows, labels.tolist(), metric="log_loss", is_asked=True)
    wanted = permutation_importance(model, rows, labels, n_repeats=5, random_state=3, scoring="neg_log_loss")
    assert end["metric"] == "log_loss"
    assert means == pytest.approx(wanted.importances_mean, abs=1e-6)


def test_a_forest_says_it_and_is_asked_nothing() -> None:
    rows, labels = table()
    model = RandomForestClassifier(n_estimators=10, random_state=0).fit(rows, labels)
    server = Server(lambda data: model.predict(data).tolist(), raw=model)
    means, spread, end = told(server, rows, labels.tolist())
    assert means == pytest.approx(model.feature_importances_)
    assert (spread, end["method"], server.asked) == ([], "feature_importances", 0)


@pytest.mark.parametrize(
    ("answer", "metric"),
    [
        (lambda data: [["a", "b"][row[0] > 0] for row in data], "change of classes"),
        (lambda data: [[0.9, 0.1] if row[0] > 0 else [0.2, 0.8] for row in data], "change of shares"),
        (lambda data: [row[0] * 7 for row in data], "change of numbers"),
        (lambda data: [{"prediction": row[0] > 0, "note": "x"} for row in data], "change of a part"),
    ],
)
def test_without_labels_it_is_how_far_answers_change(answer, metric) -> None:
    rows, _ = table()
    means, _, end = told(Server(answer), rows, None)
    assert (end["metric"], end["baseline"]) == ("change", 0.0)
    assert means[0] > 0.2, metric
    assert means[1:] == [0.0, 0.0]


def test_a_change_of_shares_is_half_of_what_they_differ_by() -> None:
    same = importance.sameness([[0.5, 0.5], [1.0, 0.0]])
    assert same([[0.5, 0.5], [1.0, 0.0]]) == 0.0
    assert same([[0.0, 1.0], [1.0, 0.0]]) == -0.25
    numbers = importance.sameness([0.0, 2.0])
    assert numbers([1.0, 3.0]) == -1.0, "one standard deviation"
    assert importance.sameness([3, 3])([4, 4]) == -1.0, "of numbers that are all the same it is as they are"


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=2, max_size=60))
@example([(1.0, True), (1.0, False)])
@example([(0.0, True), (1.0, False), (1.0, True)])
def test_roc_auc_is_scikit_learns(pairs) -> None:
    found, right = [one for one, _ in pairs], [int(one) for _, one in pairs]
    if len(set(right)) == 2:
        assert importance.roc_auc(np.asarray(found), right) == pytest.approx(roc_auc_score(right, found))
    else:
        with pytest.raises(importance.Unfit, match="one class"):
            importance.roc_auc(np.asarray(found), right)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), min_size=3, max_size=40
    )
)
def test_accuracy_and_log_loss_are_scikit_learns(drawn) -> None:
    labels = [one[0] for one in drawn]
    if len(set(labels)) < 3:
        return
    answers = [[part / sum(one[1:]) for part in one[1:]] for one in drawn]
    _, loss = importance.scoring(answers, labels, "log_loss")
    assert loss(answers) == pytest.approx(-log_loss(labels, answers, labels=[0, 1, 2]))
    _, accuracy = importance.scoring(answers, labels, "accuracy")
    assert accuracy(answers) == pytest.approx(accuracy_score(labels, np.argmax(answers, axis=1)))


def test_errors_have_their_sign_turned() -> None:
    truth, answers = [1.0, 2.5, 4.0], [1.5, 2.0, 6.0]
    for name, oracle in (("mae", mean_absolute_error), ("rmse", root_mean_squared_error)):
        _, score = importance.scoring(answers, truth, name)
        assert score(answers) == pytest.approx(-oracle(truth, answers))
    _, score = importance.scoring(answers, truth, "r2")
    assert score(answers) == pytest.approx(r2_score(truth, answers))


@pytest.mark.parametrize(
    ("answers", "labels", "metric"),
    [
        (["yes", "no"], ["yes", "no"], "accuracy"),
        ([1, 0, 1], ["1", "0", "1"], "accuracy"),
        ([True, False], [1, 0], "accuracy"),
        ([0.25, 0.75], ["no", "yes"], "roc_auc"),
        ([0.0, 0.75], [0, 1], "roc_auc"),
        ([1, 0], ["no", "yes"], "roc_auc"),
        ([[0.1, 0.9], [0.8, 0.2]], ["no", "yes"], "log_loss"),
        ([[0.1, 0.9, 0.0], [0.8, 0.2, 0.0]], ["no", "yes"], "change"),
        ([1.5, 2.5], [1.25, 2.0], "r2"),
        ([1.2, 2.2, 2.9], [1, 2, 3], "r2"),
        ([1, 2, 3], [1, 2, 3], "accuracy"),
        (list(range(30)), list(range(30)), "r2"),
        (["setosa", "other"], ["a", "b"], "change"),
        (["x"], None, "change"),
    ],
)
def test_the_metric_suits_answers_and_labels(answers, labels, metric) -> None:
    assert importance.suited(answers, labels) == metric


@pytest.mark.parametrize(
    ("answers", "labels", "metric", "said"),
    [
        (["a", "b"], ["a", "b"], "r2", "no number as label"),
        (["a", 1.0], [1.0, 2.5], "mae", "1 of 2 rows have no number as answer"),
        ([float("nan"), 1.0], [1.0, 2.5], "rmse", "no number as answer"),
        ([1.0, 2.0], [1.0, 1.0], "r2", "no R²"),
        ([[0.5, 0.5]], ["a"], "accuracy", "no probabilities of the 1 classes"),
        ([2.0, 0.5], ["a", "b"], "log_loss", "no probabilities"),
        ([0.1, 0.2, 0.3], ["a", "b", "c"], "roc_auc", "two classes"),
        ([1.0], None, "accuracy", "needs rows with labels"),
        ([1.0, 2.0], ["a", "b"], "f1", "is no metric"),
    ],
)
def test_what_can_not_be_scored_says_why(answers, labels, metric, said) -> None:
    with pytest.raises(importance.Unfit, match=said):
        _, score = importance.scoring(answers, labels, metric)
        score(answers)


def test_a_model_that_does_not_answer_says_so_and_is_not_asked_on() -> None:
    rows, labels = table(40)
    with pytest.raises(importance.Unfit, match="39 answers to 40 rows"):
        told(Server(lambda data: [1] * (len(data) - 1)), rows, labels.tolist())
    broken = Server(lambda data: data)
    broken.answer = lambda _body, _kind: Reply(500, b"<b>boom</b>")
    with pytest.raises(importance.Unfit, match="status 500"):
        told(broken, rows, labels.tolist())
    with pytest.raises(importance.Unfit, match="no list"):
        importance.answers_in({"predictions": 3}, 1)
    with pytest.raises(importance.Unfit, match="has 2 parts"):
        importance.answers_in([{"a": 1, "b": 2}], 1)
    assert importance.answers_in({"predictions": {"other": [[1, 2]], "label": [[3]]}}, 1) == [3]
    assert importance.answers_in({"outputs": [{"only": [2]}]}, 1) == [2]


def test_only_the_wanted_columns_are_shuffled_and_long_lines_are_cut_up(monkeypatch) -> None:
    rows, labels = table(40)
    monkeypatch.setattr(importance, "CHUNK", 1)
    server = Server(lambda data: [int(row[0] > 0) for row in data])
    order = {"columns": NAMES, "wanted": ["noise", "width"], "metric": None, "is_asked": True, "repeats": 2, "seed": 0}
    heard: list = []
    lines = list(importance.weighed(server, order, rows.tolist(), labels.tolist(), heard.append))
    assert [line.get("at") for line in lines] == [0, 1, None]
    assert lines[0]["means"] == [0.0]
    assert lines[1]["means"][0] > 0.1
    assert heard == [{"done": 0, "of": 2}, {"done": 1, "of": 2}]
    assert server.asked == 1 + 2 * 2


@pytest.mark.slow
def test_the_program_reads_its_order_and_tells_what_it_found(tmp_path) -> None:
    rows, labels = table(40)
    (tmp_path / "order.json").write_text(json.dumps(
        {"columns": NAMES, "wanted": NAMES, "metric": None, "is_asked": False, "repeats": 1, "seed": 0}
    ))  # fmt: skip
    laid = [json.dumps([list(row), int(label)]) for row, label in zip(rows, labels, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(laid))
    (tmp_path / "serve.py").write_text(CHATTY)
    said = run_program(tmp_path)
    assert [line.get("method") for line in said] == [None, None, None, None, "permutation"], "and not what a model says"
    assert [line["done"] for line in said[:3]] == [0, 1, 2]
    assert said[-1]["why"] == "a graph does not say which columns it looks at"
    (tmp_path / "serve.py").write_text("def load(folder):\n    raise ImportError('no mlflow')\n")
    assert run_program(tmp_path) == [{"failed": "The model can't be loaded: ImportError: no mlflow", "loads": False}]
    (tmp_path / "serve.py").write_text(CHATTY.replace("int(row[0] > 0)", "1 / 0"))
    assert run_program(tmp_path) == [{"failed": "ZeroDivisionError: division by zero", "loads": True}]


CHATTY = """
import json

class Reply:
    status = 200

class Model:
    def answer(self, body, kind):
        print('{"method": "gain"}', flush=True)
        told = Reply()
        told.body = json.dumps([int(row[0] > 0) for row in json.loads(body)["dataframe_split"]["data"]]).encode()
        return told

def load(folder):
    return Model()
"""


def run_program(place):
    """Run the program as a container does, on the order in a folder; return the lines that it tells."""
    words = f"import sys, pathlib; sys.path.insert(0, {str(PLACE)!r}); import column_importance as c"
    code = f"{words}; c.PLACE = pathlib.Path({str(place)!r}); c.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]
