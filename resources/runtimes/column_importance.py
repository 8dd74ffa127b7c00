"""Tells how much a model looks at each of its columns, from inside its container, as lines of JSON.

A model that says it itself is believed (``model_says``); any other has its columns shuffled, one at a time, and is
asked again: what that costs in its score, or changes in its answers where nobody knows the right ones, is the column's
permutation importance (Breiman 2001, as scikit-learn's ``permutation_importance`` defines it and draws its
permutations). The model is loaded and asked by the scoring server beside it, as it is when it serves.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

FOLDER, PLACE = Path("/model"), Path("/mlops-desk")
BATCH = 5000  # chosen: a few megabytes of JSON
CHUNK = 50  # chosen: engines cut a line at 16 KiB
FEW = 20  # chosen: whole numbers of more values than that are amounts, and no classes
LEAST_SHARE = sys.float_info.epsilon  # a probability of 0 costs no more than this one, as in scikit-learn's log_loss
NAMES = ("prediction", "predictions", "label", "class", "output")
METRICS = ("accuracy", "log_loss", "roc_auc", "r2", "mae", "rmse", "change")


class Unfit(Exception):  # noqa: N818 - its text is what the container says last
    """Answers that can't be scored as it is asked."""


def main() -> None:
    order = json.loads((PLACE / "order.json").read_text("utf-8"))
    rows, labels = laid(PLACE / "rows.jsonl")
    sys.path.insert(0, str(PLACE))
    try:
        import serve

        model = serve.load(FOLDER)
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything
        tell({"failed": f"The model can't be loaded: {said(error)}", "loads": False})
        return
    out, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    for one in (1, 2):  # what a model writes while it answers, a line for each time, would hide what is told here
        os.dup2(nowhere, one)
    try:
        told = list(weighed(model, order, rows, labels, lambda one: tell(one, out)))
    except Exception as error:  # noqa: BLE001 - likewise
        told = [{"failed": said(error), "loads": True}]
    for one in told:
        tell(one, out)


def tell(told: dict[str, Any], out: int = 1) -> None:
    line = json.dumps(told, allow_nan=False) + "\n"
    os.write(out, line.encode())


def said(error: BaseException) -> str:
    kind = type(error).__name__
    text = str(error) if kind in {"Unfit", "NotSaid"} else f"{kind}: {error}"
    return " ".join(text.split())[:500]


def laid(path: Path) -> tuple[list[list[Any]], list[Any] | None]:
    """Return rows and, where they have one, the label of each."""
    rows, labels = [], []
    with path.open(encoding="utf-8") as file:
        for line in file:
            values, label = json.loads(line)
            rows.append(values)
            labels.append(label)
    return rows, labels if labels and labels[0] is not None else None


def weighed(
    model: Any,
    order: dict[str, Any],
    rows: list[list[Any]],
    labels: list[Any] | None,
    hear: Callable[[dict[str, Any]], None],
) -> Iterable[dict[str, Any]]:
    """Yield what is found, in lines; ``hear`` is told how far it is. Raises whatever the model raises, and Unfit."""
    names, wanted = order["columns"], order["wanted"]
    why = None
    if not order["is_asked"]:
        try:
            method, values = own_word(model, names, rows)
        except Exception as error:  # noqa: BLE001 - whatever is in the way of reading it off, it can be asked
            why = said(error)
        else:
            yield from lines([values[names.index(one)] for one in wanted], None)
            yield {"method": method, "rows": len(rows)}
            return
    asking = Asking(lambda some: ask(model, names, some), rows, labels, order.get("metric"))
    means, deviations = permuted(asking, [names.index(one) for one in wanted], order["repeats"], order["seed"], hear)
    yield from lines(means, deviations)
    yield {
        "method": "permutation", "rows": len(rows), "metric": asking.metric, "baseline": asking.baseline,
        "repeats": order["repeats"], "seed": order["seed"], "why": why,
    }  # fmt: skip


def lines(means: Sequence[float], deviations: Sequence[float] | None) -> Iterable[dict[str, Any]]:
    for at in range(0, len(means), CHUNK):
        part = None if deviations is None else list(deviations[at : at + CHUNK])
        yield {"at": at, "means": list(means[at : at + CHUNK]), "deviations": part}


def own_word(model: Any, names: list[str], rows: list[list[Any]]) -> tuple[str, list[float]]:
    """Return what a model says of its columns itself. Raises whatever its library raises."""
    import model_says

    native = getattr(model, "_model", None)
    if native is None:
        raise model_says.NotSaid("a graph does not say which columns it looks at")
    raw = getattr(native, "get_raw_model", None)
    opened = raw() if raw is not None else native
    if opened is None or type(opened).__module__.startswith("mlflow"):
        raise model_says.NotSaid("a Python function does not say which columns it looks at")

    def table() -> Any:
        import pandas  # noqa: ICN001 - short names save nothing here

        return pandas.DataFrame(rows, columns=names)

    return model_says.read(opened, names, table)


# -- asking -------------------------------------------------------------------------------------------------------


def ask(model: Any, names: list[str], rows: list[list[Any]]) -> list[Any]:
    """Return an answer for each row. Raises Unfit."""
    found: list[Any] = []
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        body = json.dumps({"dataframe_split": {"columns": names, "data": part}}).encode()
        reply = model.answer(body, "application/json")
        if reply.status != 200:
            text = reply.body[:300].decode("utf-8", "replace")
            raise Unfit(f"it can't answer the rows (status {reply.status}): {text}")
        answers = answers_in(json.loads(reply.body), len(part))
        if len(answers) != len(part):
            raise Unfit(f"it gives {len(answers)} answers to {len(part)} rows")
        found += answers
    return found


def answers_in(document: Any, n: int) -> list[Any]:
    """Return the answers of a reply: of several outputs the one that is called so, else the first for each row."""
    found = document.get("predictions", document.get("outputs")) if isinstance(document, dict) else document
    if isinstance(found, dict):
        fits = {name: one for name, one in found.items() if isinstance(one, list) and len(one) == n}
        found = next((fits[name] for name in NAMES if name in fits), next(iter(fits.values()), None))
    if not isinstance(found, list):
        raise Unfit("its answers are no list")
    return [single(one) for one in found]


def single(answer: Any) -> Any:
    """Return an answer without what is only around it: a list of one, or an object of one output."""
    while isinstance(answer, (list, dict)):
        if isinstance(answer, dict):
            inner = [answer[name] for name in NAMES if name in answer] or list(answer.values())
            if len(inner) != 1 and not any(name in answer for name in NAMES):
                raise Unfit(f"each of its answers has {len(answer)} parts, and none is called a prediction")
            answer = inner[0]
        elif len(answer) == 1:
            answer = answer[0]
        else:
            return answer
    return answer


class Asking:
    """Rows, their labels, and by what answers are scored: the larger a score, the better."""

    def __init__(
        self, answer: Callable[[list[list[Any]]], list[Any]], rows: list[list[Any]], labels: Any, metric: str | None
    ) -> None:
        self._answer = answer
        self.rows = rows
        first = answer(rows)
        self.metric, self._score = scoring(first, labels, metric)
        self.baseline = self._score(first)

    def score(self, rows: list[list[Any]]) -> float:
        return self._score(self._answer(rows))


def permuted(
    asking: Asking, places: Sequence[int], repeats: int, seed: int, hear: Callable[[dict[str, Any]], None]
) -> tuple[list[float], list[float]]:
    """Return for each column the mean loss of score when it is shuffled, and its standard deviation over the repeats.

    As ``sklearn.inspection.permutation_importance`` with ``random_state=seed``: each column is shuffled by the same
    permutations, each repeat what the one before has left.
    """
    import numpy  # noqa: ICN001 - short names save nothing here

    shared = numpy.random.RandomState(seed).randint(numpy.iinfo(numpy.int32).max + 1)
    means, deviations = [], []
    for told, place in enumerate(places):
        hear({"done": told, "of": len(places)})
        random = numpy.random.RandomState(shared)
        order = numpy.arange(len(asking.rows))
        column = [row[place] for row in asking.rows]
        losses = []
        for _ in range(repeats):
            random.shuffle(order)
            column = [column[at] for at in order]
            changed = [[*row[:place], value, *row[place + 1 :]] for row, value in zip(asking.rows, column)]
            losses.append(asking.baseline - asking.score(changed))
        means.append(float(numpy.mean(losses)))
        deviations.append(float(numpy.std(losses)))
    return means, deviations


# -- scores -------------------------------------------------------------------------------------------------------


def scoring(answers: list[Any], labels: Any, metric: str | None) -> tuple[str, Callable[[list[Any]], float]]:
    """Return the metric and what scores answers by it; what suits the answers where none is asked for. Raises Unfit."""
    if labels is None and metric not in {None, "change"}:
        raise Unfit(f"{metric} needs rows with labels, and there are none")
    chosen = metric or suited(answers, labels)
    if chosen == "change":
        return chosen, sameness(answers)
    if chosen in {"r2", "mae", "rmse"}:
        truth = numbers(labels, "label")
        return chosen, lambda told: of_numbers(chosen, truth, numbers(told, "answer"))
    classes = classes_of(labels)
    if chosen == "accuracy":
        return chosen, lambda told: sum(same(a, b) for a, b in zip(picked(told, classes), labels)) / len(labels)
    right = [classes.index(spelled(one)) for one in labels]
    if chosen == "log_loss":
        return chosen, lambda told: -log_loss(shares(told, classes), right)
    if chosen == "roc_auc":
        return chosen, lambda told: roc_auc(scores(told, classes), right)
    raise Unfit(f"{chosen} is no metric; there are {', '.join(METRICS)}")


def suited(answers: list[Any], labels: Any) -> str:
    """Return the metric that suits answers and labels."""
    if labels is None:
        return "change"
    classes = classes_of(labels)
    if all(isinstance(one, list) for one in answers):
        return "log_loss" if len(answers[0]) == len(classes) else "change"
    amounts = all(is_number(one) for one in (*answers, *labels))
    if amounts and (len(classes) > FEW or any(float(one) != int(one) for one in labels)):
        return "r2"
    is_class = [any(same(one, other) for other in classes) for one in answers]
    if len(classes) == 2 and all(is_number(one) for one in answers):
        return "accuracy" if all(is_class) else "roc_auc"
    if amounts and any(float(one) != int(one) for one in answers):
        return "r2"
    return "accuracy" if any(is_class) else "change"


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def spelled(value: Any) -> str:
    """Return a class by the word that all spellings of it share: 1, 1.0 and "1" are one, and so are true and "True"."""
    if isinstance(value, bool) or str(value).strip().lower() in {"true", "false"}:
        return str(value).strip().lower()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return repr(int(number)) if abs(number) < 1e15 and number == int(number) else repr(number)


def same(first: Any, second: Any) -> bool:
    one, other = spelled(first), spelled(second)
    truths = {"true": "1", "false": "0"}
    return truths.get(one, one) == truths.get(other, other)


def classes_of(labels: Sequence[Any]) -> list[str]:
    """Return the classes in the order in which libraries sort them: numbers by size, words by their letters."""
    found = {spelled(one) for one in labels}
    if all(is_number(one) for one in labels):
        return sorted(found, key=float)
    return sorted(found)


def picked(answers: list[Any], classes: list[str]) -> list[Any]:
    """Return a class for each answer: the likeliest, where there is a probability of each."""
    if not any(isinstance(one, list) for one in answers):
        return answers
    if not all(isinstance(one, list) and len(one) == len(classes) for one in answers):
        raise Unfit(f"its answers are no probabilities of the {len(classes)} classes")
    return [classes[max(range(len(one)), key=one.__getitem__)] for one in answers]


def numbers(values: Sequence[Any], what: str) -> Any:
    """Return numbers as an array. Raises Unfit."""
    import numpy  # noqa: ICN001 - short names save nothing here

    wrong = sum(not (is_number(one) or isinstance(one, bool)) for one in values)
    if wrong:
        raise Unfit(f"{wrong} of {len(values)} rows have no number as {what}")
    return numpy.asarray(values, dtype=float)


def of_numbers(metric: str, truth: Any, told: Any) -> float:
    """Return R², or the error with its sign turned."""
    import numpy  # noqa: ICN001 - short names save nothing here

    if metric == "mae":
        return -float(numpy.abs(truth - told).mean())
    if metric == "rmse":
        return -float(numpy.sqrt(((truth - told) ** 2).mean()))
    around = float(((truth - truth.mean()) ** 2).sum())
    if around == 0.0:
        raise Unfit("all labels are one number, of which there is no R²")
    return 1.0 - float(((truth - told) ** 2).sum()) / around


def shares(answers: list[Any], classes: list[str]) -> Any:
    """Return a probability of each class for each row. Raises Unfit."""
    import numpy  # noqa: ICN001 - short names save nothing here

    if any(isinstance(one, list) for one in answers):
        picked(answers, classes)
        return numpy.asarray([numbers(one, "probability") for one in answers])
    positive = numbers(answers, "probability")
    if len(classes) != 2 or positive.min() < 0.0 or positive.max() > 1.0:
        raise Unfit("its answers are no probabilities")
    return numpy.stack([1.0 - positive, positive], axis=1)


def scores(answers: list[Any], classes: list[str]) -> Any:
    """Return a score of the second of two classes for each row. Raises Unfit."""
    if len(classes) != 2:
        raise Unfit(f"roc_auc needs two classes, and the labels have {len(classes)}")
    if any(isinstance(one, list) for one in answers):
        return shares(answers, classes)[:, 1]
    return numbers(answers, "score")


def log_loss(found: Any, right: Sequence[int]) -> float:
    import numpy  # noqa: ICN001 - short names save nothing here

    chosen = found[numpy.arange(len(right)), right] / found.sum(axis=1)
    return -float(numpy.log(numpy.clip(chosen, LEAST_SHARE, 1.0)).mean())


def roc_auc(found: Any, right: Sequence[int]) -> float:
    """Return how often a row of the second class has the larger score (Mann–Whitney); equal ones count half."""
    import numpy  # noqa: ICN001 - short names save nothing here

    truth = numpy.asarray(right)
    _, places, counts = numpy.unique(found, return_inverse=True, return_counts=True)
    ranks = (numpy.cumsum(counts) - (counts - 1) / 2)[places]
    n_right = int(truth.sum())
    n_wrong = len(truth) - n_right
    if not n_right or not n_wrong:
        raise Unfit("all labels are of one class, of which there is no roc_auc")
    return float((ranks[truth == 1].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def sameness(before: list[Any]) -> Callable[[list[Any]], float]:
    """Return what tells how far answers are as they were: 0 where all are, and less the more they have changed.

    Classes: less the share that are others. Probabilities: less the half of what they differ by in sum. Numbers: less
    what they differ by in the mean, in standard deviations of what they were.
    """
    import numpy  # noqa: ICN001 - short names save nothing here

    if all(isinstance(one, list) for one in before) and len({len(one) for one in before}) == 1:
        first = numpy.asarray([numbers(one, "answer") for one in before])
        return lambda told: (
            -float(0.5 * numpy.abs(numpy.asarray([numbers(one, "answer") for one in told]) - first).sum(axis=1).mean())
        )
    if all(is_number(one) for one in before):
        amounts = numpy.asarray(before, dtype=float)
        spread = float(amounts.std()) or 1.0
        return lambda told: -float(numpy.abs(numbers(told, "answer") - amounts).mean()) / spread
    return lambda told: -sum(not same(a, b) for a, b in zip(told, before)) / len(before)


if __name__ == "__main__":
    main()
