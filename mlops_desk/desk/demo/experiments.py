"""What the demo does beside an endpoint's traffic: replays, comparisons and exports that are made up, in real time.

Each says how far it is, and stops where it is told to, as a real one does.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from mlops_desk.drift.records.importance import FoundWeight, ImportanceMethod
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.experiments.importance_output import ToldImportance
from mlops_desk.serving.experiments.version_scorer import Weighed, WeighingOrder
from mlops_desk.serving.export import units
from mlops_desk.serving.export.form import Format, tag
from mlops_desk.serving.processor import features
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.records.model_fit import ModelFit
from mlops_desk.serving.records.request import LoggedRequest
from mlops_desk.serving.records.test_request import LatencyFigures, ReplayDifference, Replayed
from mlops_desk.serving.records.variants import Variant, VariantComparison
from mlops_desk.serving.runtimes.fit import Fit, GpuFit, overhead_bytes
from mlops_desk.serving.variants import advice, parse_threads, parse_variants

_MEBIBYTE = 1 << 20  # what it is
_SMALL_BYTES, _WEIGHTS = 38 * _MEBIBYTE, {"mistral-support": 14_480 * _MEBIBYTE, "resnet50": 98 * _MEBIBYTE}
_CONTAINER_BYTES, _FREE_BYTES, _GPU_BYTES = 4096 * _MEBIBYTE, 190_000 * _MEBIBYTE, 80_000 * _MEBIBYTE
_IMAGE_BYTES = 412 * _MEBIBYTE  # chosen: Python with scikit-learn
_SAVED_A_STEP = 23 * _MEBIBYTE
_COLUMN_SECONDS = 0.4  # chosen: it is seen to move, and is over in five seconds
_MEANS = {
    "tenure_months": 0.112, "monthly_charge": 0.081, "support_calls": 0.064, "data_usage_gb": 0.021, "age": 0.009,
    "plan": 0.004,
}  # fmt: skip
_NOISE, _SPREAD, _ACCURACY = -0.001, 0.002, 0.873  # chosen: as a model of customers who leave would have them
_STEP_SECONDS = 0.15  # chosen: an export is seen to move, and is over in three seconds
_VARIANT_SECONDS = 0.8  # chosen: so are three variants at two numbers of threads
_START_SECONDS = 1.0  # chosen: a container of a small model takes as long
_DIFFERENT_EVERY, _CLOSE_EVERY = 37, 9  # chosen: a new version answers most as the old one did
_NOTE = "Simulated: the demo has no image. On a real desk the archive of it lies here.\n"

# variant: seconds for a row on one thread, bytes of the file, share of rows answered as float32 answers them
_VARIANTS = {
    "float32": (0.0041, 38 * _MEBIBYTE, 1.0),
    "float16": (0.0044, 19 * _MEBIBYTE, 0.999),
    "int8": (0.0019, 10 * _MEBIBYTE, 0.994),
}


def fitted(model: str, version: str, gpus: int, indices: Sequence[int]) -> ModelFit:
    """Tell whether a version fits, by sizes that are made up."""
    weights = _WEIGHTS.get(model, _SMALL_BYTES)
    if not gpus:
        fit = Fit(weights, _CONTAINER_BYTES, _FREE_BYTES)
        return ModelFit(model, version, 0, weights, fit.can_be, f"It {fit.text()}.")
    room = [GpuCard(f"GPU-{index}", index, "", CardState.FREE, room_bytes=_GPU_BYTES) for index in indices[-gpus:]]
    wanted = GpuFit(weights, overhead_bytes(("transformers",)), gpus)
    is_possible = len(room) == gpus and all(map(wanted.has_room, room))
    return ModelFit(model, version, gpus, weights, is_possible, f"It {wanted.text(room)}.", tuple(indices[-gpus:]))


def replayed(endpoint: Endpoint, number: int, asked: list[LoggedRequest], rate: float, work: BesideWork) -> Replayed:
    """Send requests again, one after the other. Raises NotFound, Refused."""
    kept = [one.revision for one in endpoint.revisions if one.is_kept]
    if number not in kept:
        told = f"Kept are: {', '.join(map(str, kept)) or 'none'}."
        raise Refused(f"Revision {number} of endpoint {endpoint.name} is not kept, so nothing can be sent to it.", told)
    if not asked:
        raise NotFound(f"The log of endpoint {endpoint.name} has no requests of that time.")
    work.tell(f"Starting revision {number} beside the traffic.")
    work.wait(_START_SECONDS)
    worst: list[ReplayDifference] = []
    close = 0
    for index, one in enumerate(asked):
        work.tell("Sending logged requests.", index, len(asked))
        work.wait(1.0 / rate)
        name, value = next(iter(one.outputs.items()), ("", None))
        if index % _DIFFERENT_EVERY == 0 and isinstance(value, float):
            other = round(value * 0.8 + 0.05, 4)
            gap = abs(other - value) / max(other, value)
            worst.append(ReplayDifference(one.request_id, one.row, name, str(value), str(other), gap))
        elif index % _CLOSE_EVERY == 0:
            close += 1
    logged = LatencyFigures(0.011, 0.024, 0.037)
    return Replayed(
        endpoint=endpoint.name, revision=number, requests=len(asked), skipped=0,
        same=len(asked) - close - len(worst), close=close, different=len(worst), errors={}, logged_latency=logged,
        latency=LatencyFigures(0.009, 0.019, 0.031), worst=tuple(sorted(worst, key=lambda one: -(one.gap or 0.0))),
        seconds=len(asked) / rate,
    )  # fmt: skip


def compared(model: str, version: str, variants: str, threads: str, work: BesideWork) -> VariantComparison:
    """Measure variants that are made up. Raises Invalid."""
    names = parse_variants(variants)
    counts = parse_threads(threads) if threads else [1, 4]
    found: list[Variant] = []
    for name in names:
        for count in counts:
            work.tell("Measuring variants.", len(found), len(names) * len(counts))
            work.wait(_VARIANT_SECONDS)
            seconds, size, agreement = _VARIANTS[name]
            taken = seconds / min(count, os.cpu_count() or 1) ** 0.7
            found.append(
                Variant(
                    name, count, rows=1, p50_seconds=taken, p95_seconds=1.4 * taken, rows_per_second=1.0 / taken,
                    memory_bytes=size + 90 * _MEBIBYTE, size_bytes=size, agreement=agreement,
                    changed=None if name == "float32" else 42,
                )
            )  # fmt: skip
    can = features()
    return VariantComparison(model, version, "lab/tabular:1.4", can, tuple(found), advice(found, can))


def weighed(order: WeighingOrder, work: BesideWork) -> Weighed:
    """Weigh columns by numbers that are made up; columns that nobody has made any up for mean nothing."""
    weights: list[FoundWeight] = []
    for column in order.columns:
        work.tell("Columns are shuffled.", len(weights), len(order.columns))
        work.wait(_COLUMN_SECONDS)
        mean = _MEANS.get(column, _NOISE)
        weights.append(FoundWeight(mean, _SPREAD * (1.0 + 3.0 * abs(mean))))
    why = "GradientBoosting of the demo does not say which columns it looks at"
    told = ToldImportance(ImportanceMethod.PERMUTATION, tuple(weights), order.metric or "accuracy", _ACCURACY, why)
    return Weighed(order.columns, told, sum(1 for _ in order.rows.open(encoding="utf-8")))


def exported(endpoint: Endpoint, number: int, to: Path, format_: Format, work: BesideWork) -> ExportedEndpoint:
    """Write down how it is started elsewhere, without an image. Raises NotFound, Refused, Invalid."""
    if to.exists():
        raise Refused(f"{to} is there already; nothing is written over it.")
    if not to.parent.is_dir():
        raise NotFound(f"There is no folder {to.parent}.")
    for n_bytes in range(0, _IMAGE_BYTES, _SAVED_A_STEP):
        work.tell("Saving the image from the engine.", n_bytes, _IMAGE_BYTES)
        work.wait(_STEP_SECONDS)
    work.tell("Putting what was made in its place.")
    image = tag(endpoint.name, number)
    service = units.ExportedService(endpoint.name, image, f"Model {endpoint.model.name}, simulated")
    try:
        files = _written(to, format_, service)
    except OSError as error:
        raise Invalid(f"{to} can't be written: {error.strerror}.") from error
    digest = f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"
    return ExportedEndpoint(
        endpoint.name, number, format_, str(to), image, digest, digest, sum(one.stat().st_size for one in files), 61,
        tuple(map(str, files)), "SHA256:simulated" if format_ is Format.BUNDLE else None,
    )  # fmt: skip


def _written(to: Path, format_: Format, service: units.ExportedService) -> list[Path]:
    if format_ is Format.OCI:
        to.write_text(_NOTE)
        return [to]
    to.mkdir()
    texts = {"README.txt": _NOTE}
    if format_ is not Format.SYSTEMD:
        texts["compose.yaml"] = units.compose(service)
    for name, text in texts.items():
        (to / name).write_text(text)
    return sorted(to / name for name in texts)
