"""What the demo's endpoints answer: every verb that the page has does what the real one does, as far as it is seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.desk.demo import endpoint_lifecycle as life
from mlops_desk.desk.demo import experiments, traffic
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.background_tasks import BesideWork, WorkBook
from mlops_desk.serving.export.form import Format
from mlops_desk.serving.records.endpoint import Endpoint, EndpointRevision, EndpointScale, ModelRef, RevisionState

REF = ModelRef("m", "3", "models:/m/3")
IDLE = Reason("idle", "Nobody has asked it.")


def made(gpus: int = 0) -> Endpoint:
    revision = EndpointRevision(1, REF, RevisionState.LIVE, gpus=gpus, is_kept=True)
    return life.with_live(None, "front", revision, 100.0, ["GPU-7", "GPU-6", "GPU-5", "GPU-4"])


def test_each_replica_has_gpus_of_its_own_and_as_many_as_are_asked_for_run() -> None:
    one = made(gpus=1)
    assert [replica.gpus for replica in one.replicas] == [("GPU-7",)]
    two = life.scaled(one, EndpointScale(2, 2), ["GPU-7", "GPU-6"])
    assert [replica.gpus for replica in two.replicas] == [("GPU-7",), ("GPU-6",)]
    assert (two.wanted, two.ready) == (2, 2)
    assert not life.lacks_gpus(two)
    assert life.lacks_gpus(replace(one, replicas=made().replicas))


def test_it_lends_what_it_has_and_has_it_back() -> None:
    away = life.lent(made(gpus=1), 200.0)
    assert (away.state, away.lent and away.lent.gpus, away.replicas) == ("asleep", ("GPU-7",), ())
    with pytest.raises(Refused, match="has not lent"):
        life.claimed(made())
    waits = life.claimed(away)
    assert (waits.state, waits.lent, waits.reason and waits.reason.class_) == ("asleep", None, "claimed")
    back = life.awake(waits, ["GPU-7"])
    assert (back.state, back.reason, back.replicas[0].gpus) == ("live", None, ("GPU-7",))
    with pytest.raises(Refused, match="it has none"):
        life.lent(made(), 200.0)


def test_what_sleeps_does_not_sleep_again() -> None:
    asleep = life.asleep(made(), 200.0, IDLE)
    assert (asleep.asleep_since, asleep.ready) == (200.0, 0)
    with pytest.raises(Refused, match="it is asleep"):
        life.asleep(asleep, 300.0, IDLE)


@pytest.fixture
def work() -> BesideWork:
    return BesideWork("The replay", Loop("test").ending)


@pytest.mark.slow
def test_a_replay_counts_all_that_was_asked(work: BesideWork) -> None:
    asked = [next(traffic.logged(1, None, 1000.0 + number)) for number in range(40)]
    done = experiments.replayed(made(), 1, asked, 1000.0, work)
    assert done.requests == done.same + done.close + done.different == 40
    assert len(done.worst) == done.different > 0
    with pytest.raises(Refused, match="not kept"):
        experiments.replayed(made(), 9, asked, 1000.0, work)
    with pytest.raises(NotFound):
        experiments.replayed(made(), 1, [], 1000.0, work)


def test_variants_are_those_that_were_asked_for(work: BesideWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "_VARIANT_SECONDS", 0.0)
    found = experiments.compared("m", "3", "int8", "1", work)
    assert [one.variant for one in found.variants] == ["float32", "int8"]
    assert found.advice.startswith("Take int8")
    with pytest.raises(Invalid):
        experiments.compared("m", "3", "int4", "1", work)


@pytest.mark.parametrize("format_", list(Format))
def test_an_export_writes_what_it_names_and_nothing_over_it(
    tmp_path: Path, work: BesideWork, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    monkeypatch.setattr(experiments, "_STEP_SECONDS", 0.0)
    done = experiments.exported(made(), 1, tmp_path / "out", format_, work)
    assert all(Path(file).is_file() for file in done.files)
    with pytest.raises(Refused, match="there already"):
        experiments.exported(made(), 1, tmp_path / "out", format_, work)
    with pytest.raises(NotFound, match="no folder"):
        experiments.exported(made(), 1, tmp_path / "gone" / "out", format_, work)


def test_what_is_stopped_writes_nothing(tmp_path: Path) -> None:
    loop = Loop("test")
    book = WorkBook(loop)
    with pytest.raises(Refused, match="was stopped"), book.begun("The export", "t") as begun:
        book.cancel("t")
        experiments.exported(made(), 1, tmp_path / "out", Format.OCI, begun)
    assert list(tmp_path.iterdir()) == []
    loop.stop()


def test_a_large_model_fits_on_a_gpu_and_not_beside_it() -> None:
    assert experiments.fitted("mistral-support", "2", 1, [0, 1]).is_possible
    assert not experiments.fitted("mistral-support", "2", 0, [0, 1]).is_possible
    assert not experiments.fitted("mistral-support", "2", 3, [0, 1]).is_possible
