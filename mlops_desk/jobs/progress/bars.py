"""Progress bars of tqdm (and so of Lightning and of transformers' Trainer), rich, Keras, fastprogress and CatBoost."""

import re

from mlops_desk.jobs.progress.epoch_count import NUMBER, Saying, clock, number

# Epochs in words: ``Epoch 3/10``, ``epoch: [3]``, ``epoch=3``. Text is handed in in lower case.

_OF = re.compile(r"epochs?(?![a-z_])[\s:=\[(#]{0,8}(\d{1,9}(?:\.\d{1,9})?)\]?\s{0,8}(?:/|of|out of)\s{0,8}(\d{1,9})")
_ALONE = re.compile(r"epoch(?:\(\w{1,10}\))?[\s:=\[(#]{0,8}(\d{1,9}(?:\.\d{1,9})?)(?![\d.]*[%x])")
_MOST = 1e7  # chosen: what is counted to more is no epoch, but a time or an id


def epoch_in(lowered: str) -> tuple[float | None, float | None]:
    """Return which epoch is named, of how many; None each where it is not said."""
    if "epoch" not in lowered:
        return None, None
    match = _OF.search(lowered)
    if match is not None:
        epoch, epochs = float(match[1]), float(match[2])
        if 0 < epochs <= _MOST and epoch <= epochs:
            return epoch, epochs
    match = _ALONE.search(lowered)
    if match is None or lowered[match.start() - 1 : match.start()] in _PART_OF_A_NAME:
        return None, None
    return float(match[1]), None


_PART_OF_A_NAME = frozenset({"_", "-", "."})
"""Before the word: ``num_epoch=10`` of a printed configuration tells how many, and not which."""

_RATE = rf"\s*(?P<rate>{NUMBER}|\?)(?P<per>s/)?(?P<unit>[^\s,/\]]{{0,30}}?)(?:/s)?(?P<rest>[,\]].*)"
_TQDM = re.compile(
    rf"\|[^|]*\|\s*(?P<step>{NUMBER})/(?P<total>{NUMBER}|\?)[^\s\[]* \[(?P<past>[\d:]+)<(?P<left>[\d:?]+)(?:,{_RATE})?"
)
_PERCENT = re.compile(r"\s*\d{1,3}%$")
_ENDLESS = re.compile(
    rf"(?<![\d.,kKMGTP])(?P<step>{NUMBER})(?P<unit>[A-Za-z]\w{{0,29}}) \[(?P<past>[\d:]+),"
    rf"\s*(?P<rate>{NUMBER}|\?)(?P<per>s/)?[A-Za-z]\w*(?:/s)?[,\]]"
)
_RICH = re.compile(
    rf"[━╸╺╾╼][━╸╺╾╼ ]{{3,}}(?:(?P<step>{NUMBER})/(?P<total>{NUMBER})|(?P<percent>\d{{1,3}})%)"
    r"(?:.*?(?P<left>\d+:\d\d:\d\d)(?!.*\d:\d\d))?(?:.*?(?P<rate>[\d.]+)it/s)?"
)
_KERAS = re.compile(
    r"\s*(?P<step>\d+)/(?P<total>\d+|Unknown)\s(?:\[[=>.]{2,}\]|[━╸ ]{2,}|)\s*(?:- )?"
    r"(?:ETA: (?P<left>\d[\d:]*)s?|\d+(?::\d\d)+|\d+(?:us|ms|s)\b)"
    r"(?:.*?\s(?P<pace>[\d.]+)(?P<scale>us|ms|s)/(?:step|epoch))?"
)
_FASTPROGRESS = re.compile(r"\|[█-]*\|\s*[\d.]+% \[(?P<step>\d+)/(?P<total>\d+) (?P<past>[\d:]+)<(?P<left>[\d:]+)")
_CATBOOST = re.compile(
    r"(?P<step>\d+):\s+(?:learn|test|total):? .*?total: (?P<past>\S+)\s+remaining: (?P<left>.+?)\s*$"
)
_SCALES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_EPOCHS = frozenset({"epoch", "epochs", "ep"})
_LIGHTNING = re.compile(r"Epoch \d+|Sanity Checking|Validation\b|Testing\b|Predicting\b")
_SPANS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_SPAN = re.compile(r"([\d.]+)(ms|us|d|h|m|s)")


def bar(text: str) -> Saying | None:
    """Return what a segment with a bar says; None where it has none."""
    found = None
    if "/" in text or "━" in text:
        found = _keras(text)
        if found is None and "━" in text:
            found = _rich(text)
        if found is None and "|" in text:
            found = _tqdm(text) or _fastprogress(text)
    if found is None and " [" in text:
        found = _endless(text)
    if found is None and "remaining:" in text:
        found = _catboost(text)
    return found


def _tqdm(text: str) -> Saying | None:
    match = _TQDM.search(text)
    if match is None:
        return None
    name = _PERCENT.sub("", text[: match.start()]).strip().removesuffix(":")
    epoch = epoch_in(name.lower())
    step, total, unit = number(match["step"]), number(match["total"]), match["unit"] or None
    if total and epoch[0] is None and (name.lower() in _EPOCHS or unit in _EPOCHS):
        return Saying("tqdm", name, step, total, "epoch", epochs=total, passed=step)
    lightning = "v_num=" in (match["rest"] or "") or (epoch[0] is not None and epoch[1] is None)
    lightning = lightning or name.startswith(("Sanity Checking", "Validation DataLoader", "Testing DataLoader"))
    return Saying(
        "lightning" if lightning else "tqdm",
        name,
        step,
        total,
        unit,
        _per_second(number(match["rate"]), inverse=match["per"] is not None),
        clock(match["left"]),
        *epoch,
    )


def _endless(text: str) -> Saying | None:
    match = _ENDLESS.search(text)
    if match is None:
        return None
    rate = _per_second(number(match["rate"]), inverse=match["per"] is not None)
    name = text[: match.start()].strip().removesuffix(":")
    return Saying("tqdm", name, number(match["step"]), None, match["unit"], rate, None, *epoch_in(name.lower()))


def _rich(text: str) -> Saying | None:
    match = _RICH.search(text)
    if match is None:
        return None
    name, rate = text[: match.start()].strip(), number(match["rate"])
    step, total = number(match["step"]), number(match["total"])
    if step is None:
        step, total = number(match["percent"]), 100.0
    epoch, epochs = epoch_in(name.lower())
    lightning = _LIGHTNING.match(name) is not None and "it/s" in text
    if lightning and epochs is not None:
        epochs += 1  # its bar counts from 0 to the last, and writes that
    source = "lightning" if lightning else "rich"
    return Saying(source, name, step, total, "it", rate, clock(match["left"]), epoch, epochs)


def _keras(text: str) -> Saying | None:
    match = _KERAS.match(text)
    if match is None:
        return None
    pace = number(match["pace"])
    rate = None if not pace else 1.0 / (pace * _SCALES[match["scale"]])
    left = match["left"] or ""
    return Saying(
        "keras",
        "",
        number(match["step"]),
        number(match["total"]),
        "step",
        rate,
        clock(left) if ":" in left else number(left),
    )


def _fastprogress(text: str) -> Saying | None:
    match = _FASTPROGRESS.search(text)
    if match is None:
        return None
    name = text[: match.start()].strip().removesuffix(":").strip()
    epoch, epochs = epoch_in(name.lower())
    step, total = number(match["step"]), number(match["total"])
    if epochs is not None and epochs == total:  # its outer bar is named by the epoch that goes on
        return Saying("fastai", "epochs", step, total, "epoch", None, clock(match["left"]), epochs=epochs, passed=step)
    return Saying("fastai", name, step, total, None, None, clock(match["left"]), epoch, epochs)


def _catboost(text: str) -> Saying | None:
    match = _CATBOOST.match(text)
    if match is None:
        return None
    past, left, step = _span(match["past"]), _span(match["left"]), number(match["step"])
    if step is None or past is None or left is None or past <= 0:
        return Saying("boosting", "rounds", step, None, "round")
    done = step + 1  # it counts from 0
    return Saying("boosting", "rounds", done, float(round(done * (past + left) / past)), "round", None, left)


def _span(text: str) -> float | None:
    """Return seconds of ``1m 12s`` and ``1.2s``."""
    parts = [(number(amount), unit) for amount, unit in _SPAN.findall(text)]
    return sum(amount * _SPANS[unit] for amount, unit in parts if amount is not None) if parts else None


def _per_second(rate: float | None, *, inverse: bool) -> float | None:
    if rate is None or not inverse:
        return rate
    return 1.0 / rate if rate > 0 else None
