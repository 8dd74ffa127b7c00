"""Plain lines that tell how far it is: what people print, dicts of transformers' Trainer, boosting rounds, fastai."""

import re
from dataclasses import replace

from mlops_desk.jobs.progress.epochs import epoch_in
from mlops_desk.jobs.progress.saying import NUMBER, Saying, clock, number

_MANY = r"(steps?|iter(?:ation)?s?|batch(?:es)?|rounds?|updates?|episodes?|trials?)"
_ONE = r"(step|iter(?:ation)?|batch|round|update|episode|trial)"
_SET = r"(?![a-z_])[\s:=\[(#]{0,12}"
_OF = re.compile(rf"{_MANY}{_SET}({NUMBER})\]?\s{{0,8}}(?:/|of|out of)\s{{0,8}}({NUMBER})")
_BEFORE = re.compile(rf"(?<![\d/.,])({NUMBER})\s{{0,8}}/\s{{0,8}}({NUMBER})\s{{1,8}}{_MANY}(?![a-z_])")
_BRACKETS = re.compile(r"\[\s{0,8}(\d{1,12})\s{0,8}/\s{0,8}(\d{1,12})\s{0,8}(?:\(\s{0,8}\d{1,3}%\))?\]")
_ALONE = re.compile(rf"(?:(?<![a-z_.-])|(?<=global_)){_ONE}[\s:=#]{{1,3}}({NUMBER})\b(?!\s?[/%])")
_UNITS = ("step", "iter", "batch", "round", "update", "episode", "trial")
_ETA = re.compile(r"eta[:=]?\s{0,3}((?:\d{1,3} days?, )?\d{1,4}:\d\d:\d\d)")
_DICT_EPOCH = re.compile(r"""['"]epoch['"]:\s?['"]?(\d{1,9}(?:\.\d{1,9})?)""")
_BOOSTING = re.compile(r"\[(\d{1,12})\]\t\S.*:")
_FASTAI = re.compile(
    r"\s{0,8}(\d{1,9})\s+(?:\d+\.\d+|nan|inf)\s+(?:(?:\d+\.\d+|nan|inf|none|#na#)\s+){1,20}(?:\d+:)?\d\d:\d\d\s*$"
)
_RESULTS = ("loss", "acc", "auc", "val", "score", "f1", "time", "metric", "error", "perplexity", "ppl")


def line(text: str) -> Saying | None:
    """Return what a segment without a bar says; it is in lower case."""
    if text.startswith("[") and (match := _BOOSTING.match(text)) is not None:
        return Saying("boosting", "rounds", number(match[1]), None, "round")
    if "epoch" in text:
        if "{" in text and (match := _DICT_EPOCH.search(text)) is not None:
            is_trainer = "'loss'" in text or "'eval_" in text or "'train_" in text
            return Saying("transformers" if is_trainer else "text", "dict", passed=number(match[1]))
        found = _epoch(text)
    elif text[:1].isspace() or text[:1].isdigit():
        match = _FASTAI.match(text)
        if match is not None:
            return Saying("fastai", "table", epoch=float(match[1]), ended=True)
        found = _step(text)
    else:
        found = _step(text)
    if "eta" in text and (match := _ETA.search(text)) is not None:
        found = replace(found or Saying("text", "eta"), left_seconds=clock(match[1]))
    return found


def _epoch(text: str) -> Saying | None:
    epoch, epochs = epoch_in(text)
    within = _step(text) or _bracketed(text, epochs)
    if epoch is None:
        return within
    if within is not None and within.total is not None:
        return replace(within, name="epoch", epoch=epoch, epochs=epochs)
    ended = within is None and any(word in text for word in _RESULTS)
    return Saying("text", "epochs", epoch=epoch, epochs=epochs, ended=ended)


def _bracketed(text: str, epochs: float | None) -> Saying | None:
    """Return the steps of ``Epoch: [3][ 100/5005]``; the brackets of ``Epoch [3/10]`` are the epoch's own."""
    match = _BRACKETS.search(text)
    if match is None or number(match[2]) == epochs:
        return None
    return Saying("text", "steps", number(match[1]), number(match[2]), "step")


def _step(text: str) -> Saying | None:
    if not any(unit in text for unit in _UNITS):
        return None
    match = _OF.search(text)
    if match is not None:
        unit, step, total = match[1], number(match[2]), number(match[3])
    elif "/" in text and (match := _BEFORE.search(text)) is not None:
        unit, step, total = match[3], number(match[1]), number(match[2])
    else:
        match = _ALONE.search(text)
        if match is None:
            return None
        return Saying("text", "steps", number(match[2]), None, _UNIT_WORDS.get(match[1], match[1]))
    if step is None or not total or step > total:
        return None
    return Saying("text", "steps", step, total, _UNIT_WORDS.get(unit, unit.rstrip("s")))


_UNIT_WORDS = {"batches": "batch", "iter": "iteration", "iters": "iteration"}
