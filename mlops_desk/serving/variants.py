"""One model version in several forms, measured beside one another on this machine.

One sentence about variants that follows from their figures alone. Pure.

Variants of a version, made and measured in a container without a network: models are programs.
"""

import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.image.model_files import ModelFiles, read_model
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.processor import features
from mlops_desk.serving.records.endpoint import ModelRef
from mlops_desk.serving.records.processor_words import helping
from mlops_desk.serving.records.variants import Variant, VariantComparison
from mlops_desk.serving.revision import Failed, Revision, Shelf, plain_lines
from mlops_desk.serving.runtimes import resource_files
from mlops_desk.serving.test_requests import AsideContainers, body_of

_WORTH = 1.1  # chosen: less than a tenth comes and goes from one run to the next
_LOSS = 0.01  # chosen: one row of a hundred


def advice(variants: Sequence[Variant], processor: Sequence[str]) -> str:
    """Say which variant is worth taking on this machine, and what it costs."""
    measured = [one for one in variants if one.rows_per_second is not None]
    if not measured:
        return "No variant could be measured."
    base = measured[0]
    kept = [one for one in measured if _loss(base, one) <= _LOSS and one.changed != 0]
    best = max([base, *kept], key=_speed)
    if _speed(best) < _WORTH * _speed(base):
        stay = f"Stay with {_named(base)}: nothing that answers as well is faster by a tenth here."
        return stay + _refused(measured, base)
    words = f" with {', '.join(helping(best.variant, processor))}" if processor else ""
    return (
        f"Take {_named(best)}: {_speed(best) / _speed(base):.1f} times the throughput of {_named(base)} on this"
        f" processor{words}, {_difference(base, best)}."
    )


def _speed(one: Variant) -> float:
    return one.rows_per_second or 0.0


def _quality(one: Variant) -> float | None:
    return one.agreement if one.accuracy is None else one.accuracy


def _loss(base: Variant, one: Variant) -> float:
    """Return how much worse a variant answers, as a share of rows; all of it where nobody knows."""
    before, now = _quality(base), _quality(one)
    return 1.0 if before is None or now is None else before - now


def _difference(base: Variant, one: Variant) -> str:
    if one.accuracy is not None and base.accuracy is not None:
        change = 100 * (one.accuracy - base.accuracy)
        return "at the same accuracy" if change == 0 else f"accuracy {change:+.1f} points"
    return f"{100 * (one.agreement or 0.0):.1f} % of the answers are the same"


def _refused(measured: Sequence[Variant], base: Variant) -> str:
    faster = [one for one in measured if _speed(one) >= _WORTH * _speed(base) and _loss(base, one) > _LOSS]
    if not faster:
        return ""
    best = max(faster, key=_speed)
    return f" {_named(best).capitalize()} is faster, but {_difference(base, best)}."


def _named(one: Variant) -> str:
    return f"{one.variant} on {one.threads} thread{'' if one.threads == 1 else 's'}"


VARIANTS = ("float32", "float16", "int8")
_PLACE = "_variants"  # no endpoint's name begins so
_SECONDS = 1800.0  # chosen: three variants of a large model at some numbers of threads
_EVIDENCE_LINES = 15  # chosen: a Python traceback names the error in its last lines
_MOST_THREADS = 1024  # chosen: more than any machine of one person has


class VariantComparisons:
    """Makes a version ready as a deployment does, measures it beside everything else, and leaves nothing."""

    def __init__(self, shelf: Shelf, maker: Maker, asides: AsideContainers, images: EndpointImages) -> None:
        self._shelf = shelf
        self._maker = maker
        self._asides = asides
        self._images = images
        self._numbers = itertools.count(int(time.time()))
        self._measuring = threading.Lock()

    def sweep(self) -> None:
        """Delete what an earlier agent has left half measured."""
        self._shelf.discard(_PLACE)

    def compare(
        self, version: ModelVersion, variants: str, threads: str, data: str | None, label: str | None, work: BesideWork
    ) -> VariantComparison:
        """Measure variants. Raises Invalid, Refused, TimedOut, Unavailable."""
        names, counts = parse_variants(variants), parse_threads(threads)
        if not self._measuring.acquire(blocking=False):
            raise Refused("Variants are being measured already.", "Two at once would measure one another: wait.")
        try:
            return self._compared(version, names, counts, data, label, work)
        except Failed as failure:
            raise Refused(failure.reason.text, failure.reason.hint) from failure
        except OSError as error:
            raise Unavailable(f"The variants can't be written: {error}.") from error
        finally:
            self._shelf.discard(_PLACE)
            self._measuring.release()

    def _compared(
        self,
        version: ModelVersion,
        names: Sequence[str],
        counts: Sequence[int],
        data: str | None,
        label: str | None,
        work: BesideWork,
    ) -> VariantComparison:
        ref = ModelRef(version.name, version.version, f"models:/{version.name}/{version.version}", None, version.run_id)
        revision = self._shelf.write(Revision(_PLACE, next(self._numbers), ref, version))
        made = self._maker.make(revision, lambda name, text: work.tell(f"{name}: {text}"))
        image = made.image or ""
        try:
            files = read_model(self._shelf.place(_PLACE, made.number) / "model")
            order = {"variants": names, "threads": counts, **_asked(files, data, label)}
            folder = self._shelf.place(_PLACE, made.number) / "bench"
            _lay(folder, order)
            found = self._measured(image, files.folder, folder, len(names) * len(counts), len(counts), work)
        finally:
            self._shelf.drop_files(_PLACE, made.number)
            self._images.drop({image})
        can = features()
        is_graph = any(one.variant in VARIANTS for one in found)
        note = None if is_graph else "The model is no ONNX graph, so it is measured as it is, by threads alone."
        return VariantComparison(version.name, version.version, image, can, found, advice(found, can), note)

    def _measured(
        self, image: str, model: Path, folder: Path, n_asked: int, n_threads: int, work: BesideWork
    ) -> tuple[Variant, ...]:
        """Measure; a model that is no graph is measured as it is, by threads alone, so fewer may come than asked."""

        def heard(lines: list[str]) -> None:
            measured = [one for one in map(_read, lines) if one is not None]
            as_it_is = any(one.variant not in VARIANTS for one in measured)
            work.tell("Measuring variants.", len(measured), max(n_threads if as_it_is else n_asked, len(measured)))

        heard([])
        mounts = (Mount(str(model), "/model", "ro"), Mount(str(folder), "/mlops-desk", "ro"))
        lines = self._asides.lines(image, mounts, ("python3", "/mlops-desk/bench.py"), _SECONDS, work, heard)
        found = tuple(one for one in map(_read, lines) if one is not None)
        if not found:
            last = plain_lines(lines[-_EVIDENCE_LINES:]) or "nothing"
            raise Refused(f"The variants could not be measured. Their container last wrote: {last}")
        return found


def parse_variants(text: str) -> list[str]:
    """Read ``float32,int8``; float32, which the others are compared with, comes first. Raises Invalid."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in VARIANTS:
            raise Invalid(f"{plain(word, 40)!r} is no variant.", f"There are: {', '.join(VARIANTS)}.")
    return [word for word in VARIANTS if word in {"float32", *words}]


def parse_threads(text: str) -> list[int]:
    """Read ``1,2,4``; nothing is 1 and all that there are. Raises Invalid."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        return sorted({1, len(os.sched_getaffinity(0))})
    for word in words:
        if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= _MOST_THREADS:
            raise Invalid(f"{plain(word, 40)!r} is no number of threads.", "For example: --threads 1,2,4")
    return sorted({int(word) for word in words})


def _asked(files: ModelFiles, data: str | None, label: str | None) -> dict[str, Any]:
    """Return what the variants are asked, and the right answers where the data has them. Raises Invalid."""
    if data is None:
        if files.example is None:
            raise Invalid("The model brings no example.", Hint("mlops-desk endpoints compare MODEL --data FILE"))
        return {"document": json.loads(files.example)}
    if label is None:
        return {"document": json.loads(body_of(data, files.features))}
    table = json.loads(body_of(data, ())).get("dataframe_split", {})
    if label not in table.get("columns", ()):
        raise Invalid(f"The data has no column {plain(label, 40)}.", "It has to be CSV, with that name in its header.")
    place = table["columns"].index(label)
    labels = [row.pop(place) for row in table["data"]]
    table["columns"].pop(place)
    return {"document": {"dataframe_split": table}, "labels": labels}


def _lay(folder: Path, order: dict[str, Any]) -> None:
    """Write what the container gets beside the model, for whichever user it runs as."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    texts = {
        "serve.py": resource_files.text(resource_files.SCORING_SERVER),
        "bench.py": resource_files.text(resource_files.VARIANT_BENCH),
             "order.json": json.dumps(order)}  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o644)


def _read(line: str) -> Variant | None:
    """Return what a line of the container tells; None for one of another kind: a model may write anything."""
    try:
        told = wire.loads(line.encode(), Variant)
    except DeskError:
        return None
    return told if told.threads >= 0 else None
