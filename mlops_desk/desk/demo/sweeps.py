"""Sweeps in the demo's registry: many runs with curves, so that groups, overlays and fronts have what they show.

What a run came to follows from its parameters as it does in real ones: a learning rate that is too large diverges, one
model is better than another, and seeds lie around their mean.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import islice, product
from threading import Event

from mlops_desk.desk.demo import data
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.records.model import Run

EXPERIMENT = "defects-sweep"
LIVE = "4d" * 16
"""The id of the run that goes on."""
_LRS = (0.3, 0.1, 0.03, 0.01, 0.003)  # chosen: from one that diverges to one that learns too slowly
_BEST_LR = 0.03  # chosen: in the middle, so that a chart has a summit
_MODELS = {"resnet50": 0.0, "vit-s": 0.012, "convnext-t": 0.021}
"""What a model adds to the accuracy, and costs: a slower one takes longer in the same share."""
_DECAYS = (0.0, 0.0001)  # chosen: what people try
_SEEDS = (1, 2)  # chosen: as few as show a spread
_EPOCHS, _LIVE_EPOCHS = 60, 400  # chosen: a curve with a shape; one that goes on while somebody looks round
_DIVERGES_AT = 7  # chosen: of the largest learning rate, where a person sees what happened
_BEGUN_EPOCHS = 20  # chosen: what the run that goes on has at first
_RUN_SECONDS = 1500.0  # chosen: 25 s an epoch
_APART_SECONDS = 600.0  # chosen: one was started every ten minutes, two at a time and more
_LIVE_SECONDS = 2.0  # chosen: between two epochs of the run that goes on, so that it is seen to grow


def fill(registry: FakeRegistry, now: float) -> None:
    """Add a sweep that ended two hours ago, and a run that goes on."""
    every = list(product(_MODELS, _LRS, _DECAYS, _SEEDS))
    for number, (model, lr, decay, seed) in enumerate(every):
        params = _params(model, lr, decay, seed, _EPOCHS)
        diverged = lr == max(_LRS) and seed == _SEEDS[0]
        began = now - 7200.0 - (len(every) - number) * _APART_SECONDS
        lasted = _RUN_SECONDS * (1 + 20 * _MODELS[model]) * (_DIVERGES_AT / _EPOCHS if diverged else 1)
        run_id = f"{0x5EED0000 + number:032x}"
        _add(registry, run_id, f"{model}-{lr:g}-{seed}", params, began, began + lasted, diverged=diverged)
        for accuracy, loss in islice(_epochs(params, number), _DIVERGES_AT if diverged else _EPOCHS):
            _log(registry, run_id, accuracy, loss)
        if diverged:
            registry.log_metric(run_id, "loss", math.nan)
    params = _params("convnext-t", _BEST_LR, _DECAYS[1], len(_SEEDS) + 1, _LIVE_EPOCHS)
    _add(registry, LIVE, "convnext-t-long", params, now - _APART_SECONDS, None)
    for accuracy, loss in islice(_epochs(params, len(every)), _BEGUN_EPOCHS):
        _log(registry, LIVE, accuracy, loss)


def go_on(registry: FakeRegistry, ending: Event) -> None:
    """Log the run that goes on, an epoch every other second, to its end; wakes no more often than that."""
    n_before = len(_MODELS) * len(_LRS) * len(_DECAYS) * len(_SEEDS)
    for accuracy, loss in islice(_epochs(registry.run(LIVE).params, n_before), _BEGUN_EPOCHS, _LIVE_EPOCHS):
        if ending.wait(_LIVE_SECONDS):
            return
        _log(registry, LIVE, accuracy, loss)
    registry.end_run(LIVE, "FINISHED")


def _params(model: str, lr: float, decay: float, seed: int, epochs: int) -> dict[str, str]:
    return {"model": model, "lr": f"{lr:g}", "weight_decay": f"{decay:g}", "seed": str(seed), "epochs": str(epochs)}


def _add(
    registry: FakeRegistry,
    run_id: str,
    name: str,
    params: dict[str, str],
    began: float,
    ended: float | None,
    *,
    diverged: bool = False,
) -> None:
    status = "RUNNING" if ended is None else "FAILED" if diverged else "FINISHED"
    tags = {"mlflow.user": "jonas", "mlflow.source.name": "sweep_defects.py", "team": "vision"}
    end_time = None if ended is None else int(ended * 1000)
    registry.add_run(EXPERIMENT, Run(run_id, name, status, int(began * 1000), {}, params, tags, end_time=end_time))


def _log(registry: FakeRegistry, run_id: str, accuracy: float, loss: float) -> None:
    registry.log_metric(run_id, "accuracy", round(accuracy, 5))
    registry.log_metric(run_id, "loss", round(loss, 5))


def _epochs(params: Mapping[str, str], seed: int) -> Iterator[tuple[float, float]]:
    """Yield accuracy and loss, epoch by epoch and without an end; the same for the same parameters and seed."""
    chance = data.generator(seed)
    lr, decay = float(params["lr"]), float(params["weight_decay"])
    far = abs(math.log10(lr / _BEST_LR))
    best = 0.93 + _MODELS[params["model"]] - 0.035 * far**1.5 + 60 * decay * (1 - far) + float(chance.normal(0, 0.004))
    speed = 9.0 * (_BEST_LR / lr) ** 0.4
    rough = 0.004 + 0.05 * max(0.0, lr - 0.1)
    epoch = 0
    while True:
        learnt = 1 - math.exp(-(epoch + 1) / speed)
        yield (
            0.3 + (best - 0.3) * learnt + float(chance.normal(0, rough)),
            0.12 + 2.2 * (1 - best) + 1.7 * (1 - learnt) + float(abs(chance.normal(0, 4 * rough))),
        )
        epoch += 1
