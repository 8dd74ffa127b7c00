"""Whether a version fits, before it is placed: said by numbers, and not known where nobody knows."""

from collections.abc import Callable

import pytest

from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.operations.fit import FitVerbs, Weigh, not_weighed
from mlops_desk.serving.runtimes.files import FilesTold
from mlops_desk.serving.runtimes.fit import Fit
from mlops_desk.serving.runtimes.gpus import ReplicaGpus

GIB = 1 << 30


class Trial:
    def fit(self, size_bytes: int) -> Fit:
        return Fit(size_bytes, 4 * GIB, 64 * GIB)


class Leases:
    pool = "machine"

    def __init__(self, *cards: GpuCard) -> None:
        self._cards = cards

    def cards(self) -> tuple[GpuCard, ...]:
        return self._cards


class Verbs(FitVerbs):
    def __init__(self, weigh: Weigh, *cards: GpuCard, own: Callable[[], dict[str, str]] = dict) -> None:
        self._trial = Trial()  # type: ignore[assignment]  # all that is asked of it
        self._replica_gpus = ReplicaGpus(Leases(*cards), own)  # type: ignore[arg-type]  # likewise
        self._resolve = lambda text: ModelVersion("m", text.partition("/")[2] or "1", "r", "s", "READY")
        self._weigh = weigh


def card(index: int, room_gib: int, state: CardState = CardState.FREE) -> GpuCard:
    return GpuCard(f"GPU-{index}", index, "Test GPU", state, room_bytes=room_gib * GIB)


def of(size_gib: float) -> Weigh:
    return lambda _version: FilesTold(int(size_gib * GIB), ("onnx",))


@pytest.mark.parametrize(("size", "fits"), [(1.0, True), (5.0, False)])
def test_on_processors_it_is_the_containers_memory_that_counts(size: float, fits: bool) -> None:
    fit = Verbs(of(size)).fit("m/7")
    assert (fit.model, fit.version, fit.gpus, fit.is_possible) == ("m", "7", 0, fits)
    assert "gets up to 4.0 GiB" in fit.text
    assert fit.weights_bytes == size * GIB


def test_on_gpus_those_that_it_would_get_are_named() -> None:
    verbs = Verbs(of(10.0), card(0, 80, CardState.LEASED), card(1, 8), card(2, 24))
    fit = verbs.fit("m", gpus=1)
    assert (fit.is_possible, fit.indices) == (True, (2,))
    assert "GPU 2 has 24.0 GiB free" in fit.text


def test_what_does_not_fit_says_by_how_much_and_too_few_say_who_has_the_others() -> None:
    small = Verbs(of(10.0), card(1, 8)).fit("m", gpus=1)
    assert (small.is_possible, small.indices) == (False, ())
    assert "does not fit into the GPUs that are free" in small.text
    assert "GPU 1 has 8.0 GiB free" in small.text
    few = Verbs(of(1.0), card(0, 80, CardState.LEASED)).fit("m", gpus=2)
    assert few.is_possible is False
    assert "needs 2 GPUs, and only 1 is on this machine" in few.text
    assert "of files over 2" in few.text


def test_what_another_endpoint_has_lent_is_not_free() -> None:
    verbs = Verbs(of(1.0), card(0, 80), own=lambda: {"GPU-0": "other"})
    assert verbs.fit("m", gpus=1).is_possible is False


def test_where_nobody_knows_it_is_neither_possible_nor_not() -> None:
    def away(_version: ModelVersion) -> tuple[int | None, tuple[str, ...]]:
        raise Unavailable("The registry does not answer.")

    for weigh, told in ((away, "The registry does not answer."), (not_weighed, "does not tell its size")):
        fit = Verbs(weigh).fit("m", gpus=1)
        assert (fit.is_possible, fit.weights_bytes) == (None, None)
        assert told in fit.text
    with pytest.raises(Invalid):
        Verbs(of(1.0)).fit("m", gpus=-1)
