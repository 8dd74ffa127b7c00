"""Images as people handle them: pulled together, tried again, ended, interrupted; built; cleared away."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake_images import ScriptedBuild, ScriptedPull
from mlops_desk.engines.images import pulls
from mlops_desk.engines.images import pulls as disk_space
from mlops_desk.engines.images.dependents import ImageNeed
from mlops_desk.engines.images.pulls import EngineRoom, NoRoom, check
from mlops_desk.engines.images.tasks import TaskBook
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.records.image import ImageUser, UserKind
from mlops_desk.engines.records.task import ImageTask, LayerState, TaskKind, TaskState
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from tests.unit.engines.images.conftest import House

REF = "reg:5000/team/big:1"


@pytest.fixture(autouse=True)
def short_pauses(house: House) -> None:
    house.images.pulls._parts = replace(house.images.pulls._parts, pauses=(0.05, 0.05), quiet_seconds=0.2)
    house.engine.remote.add(REF)


def slow(house: House, **more: object) -> None:
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), **{"seconds": 30.0, **more})


def test_a_pull_answers_at_once_tells_of_its_layers_and_brings_the_image(house: House) -> None:
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 0.3)
    task = house.images.pull(REF)
    assert not task.state.is_final
    done = house.end(task.id)
    assert (done.state, done.done_bytes, done.total_bytes, done.layers_done) == (TaskState.DONE, 10_000, 10_000, 2)
    assert done.image_id == house.engine.image(REF).id
    assert done.ended_at is not None
    assert (done.eta_seconds, done.bytes_per_second, done.reason) == (None, None, None)
    house.heard(TaskState.DONE)
    assert house.told[0].state is TaskState.WAITING
    card = house.images.show(REF)
    assert (card.origin, card.brought_by, card.user) == ("pulled", task.submitted_by, task.user)


@pytest.mark.slow
def test_progress_is_announced_a_few_times_a_second_and_not_with_each_word(house: House) -> None:
    house.engine.pulls[REF] = ScriptedPull(tuple([100] * 200), 1.0)
    house.end(house.images.pull(REF).id)
    running = [told for told in house.told if told.state is TaskState.RUNNING]
    assert 1 <= len(running) <= 60, "200 layers told of themselves at least twice each"


def test_two_who_ask_for_one_image_share_one_task(house: House) -> None:
    slow(house)
    first = house.images.pull(REF)
    second = house.images.pulls.begin(house.images._wanted(TaskKind.PULL, REF, "local", 4711, jobs=("j1",)))
    assert second.id == first.id
    assert second.jobs == ("j1",)
    assert house.engine.pulled == [REF] or house.until(first.id, lambda task: task.layers_count > 0)
    assert len(house.images.tasks()) == 1
    assert house.engine.pulled == [REF]
    house.images.cancel(first.id)


def test_what_is_pulled_with_a_login_is_shared_with_nobody_else(house: House) -> None:
    slow(house)
    mine = house.images.pulls.begin(
        house.images._wanted(TaskKind.PULL, REF, "local", 1), RegistryLogin("reg:5000", "anna", "secret")
    )
    others = house.images.pulls.begin(house.images._wanted(TaskKind.PULL, REF, "local", 2))
    again = house.images.pulls.begin(
        house.images._wanted(TaskKind.PULL, REF, "local", 1), RegistryLogin("reg:5000", "anna", "secret")
    )
    assert mine.id != others.id
    assert again.id == mine.id
    for task in house.images.tasks():
        house.images.cancel(task.id)
    for path in house.folder.rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes()


def test_a_pull_that_breaks_goes_on_with_the_layers_that_were_finished(house: House) -> None:
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 0.1, breaks=(5000,))
    done = house.end(house.images.pull(REF).id)
    assert (done.state, done.tries) == (TaskState.DONE, 2)
    assert [layer.state for layer in done.layers] == [LayerState.PRESENT, LayerState.DONE]
    house.heard(TaskState.DONE)
    (reason,) = [told.reason for told in house.told if told.state is TaskState.WAITING and told.reason is not None]
    assert reason.class_ == "broken"
    assert "tried again in 0.05 s" in reason.text


def test_one_that_breaks_again_and_again_fails_with_the_last_reason(house: House) -> None:
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 0.1, breaks=(10, 10, 10, 10))
    failed = house.end(house.images.pull(REF).id)
    assert (failed.state, failed.tries) == (TaskState.FAILED, 3)
    assert failed.reason is not None
    assert (failed.reason.class_, "unexpected EOF" in failed.reason.text) == ("registry_unavailable", True)


@pytest.mark.slow
def test_silence_is_a_failure_and_slowness_is_none(house: House) -> None:
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 0.1, silent_after=5000)
    failed = house.end(house.images.pull(REF).id)
    assert failed.state is TaskState.FAILED
    assert failed.reason is not None
    assert "nothing was heard for 0.2 s" in failed.reason.text


def test_what_no_registry_has_is_tried_once(house: House) -> None:
    failed = house.end(house.images.pull("reg:5000/none:1").id)
    assert (failed.state, failed.tries) == (TaskState.FAILED, 1)
    assert failed.reason is not None
    assert failed.reason.class_ == "image_missing"


def test_a_registry_that_does_not_answer_is_asked_once_by_each_who_asks(house: House) -> None:
    house.engine.pull_error = "dial tcp: connection refused"
    failed = house.end(house.images.pull(REF).id)
    assert (failed.state, failed.tries) == (TaskState.FAILED, 1)
    assert failed.reason is not None
    assert failed.reason.class_ == "registry_unavailable"


@pytest.mark.parametrize(
    ("said", "final"),
    [("denied: requested access", True), ("no matching manifest for linux/arm64", True), ("unexpected EOF", False)],
)
def test_which_words_of_a_registry_are_its_last(said: str, final: bool) -> None:
    assert pulls.is_final(Unavailable(said)) is final
    assert pulls.is_final(NotFound("gone"))


def test_who_ends_a_pull_ends_it_at_once(house: House) -> None:
    slow(house)
    task = house.images.pull(REF)
    house.until(task.id, lambda now: now.done_bytes is not None)
    began = time.monotonic()
    ended = house.images.cancel(task.id[:5])
    assert ended.state is TaskState.CANCELLED
    assert time.monotonic() - began < 5
    with pytest.raises(Refused, match="over already: cancelled"):
        house.images.cancel(task.id)
    with pytest.raises(NotFound):
        house.engine.image(REF)
    assert house.images.pull(REF).id != task.id, "it can be asked for once more"
    for other in house.images.tasks():
        if not other.state.is_final:
            house.images.cancel(other.id)


def test_what_is_over_stays_over_whatever_is_heard_of_it(house: House) -> None:
    slow(house)
    task = house.images.pull(REF)
    house.images.cancel(task.id)
    house.images._book.change(task.id, lambda now: replace(now, state=TaskState.RUNNING))
    assert house.images.task(task.id).state is TaskState.CANCELLED


def test_a_pull_of_which_nothing_is_heard_is_ended_at_the_engine_at_once(house: House) -> None:
    house.images.pulls._parts = replace(house.images.pulls._parts, quiet_seconds=60.0)
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 0.1, silent_after=5000)
    task = house.images.pull(REF)
    house.until(task.id, lambda now: now.layers_done == 1)
    house.images.cancel(task.id)
    deadline = time.monotonic() + 15
    while house.images.work._cords:
        assert time.monotonic() < deadline, "the engine would go on for a minute"
        time.sleep(0.01)


def test_who_waits_for_a_pull_that_somebody_ends_is_told(house: House) -> None:
    slow(house)
    task = house.images.pull(REF)
    threading.Timer(0.2, lambda: house.images.cancel(task.id)).start()
    with pytest.raises(Refused, match="was ended"):
        house.images.work.outcome(task.id)


def test_what_was_under_way_when_the_agent_ended_is_interrupted_and_can_go_on(tmp_path: Path, house: House) -> None:
    slow(house)
    task = house.images.pull(REF)
    house.until(task.id, lambda now: now.state is TaskState.RUNNING)
    loop = Loop("later")
    later = House(house.folder, house.engine, loop)  # as after kill -9: nobody has written an end
    try:
        later.images.start()
        found = later.images.task(task.id)
        assert found.state is TaskState.INTERRUPTED
        assert found.reason is not None
        assert (found.reason.class_, found.reason.command) == ("interrupted", f"mlops-desk images pull {REF}")
        house.engine.pulls[REF] = ScriptedPull((4000, 6000), 0.1)
        assert later.end(later.images.pull(REF).id).state is TaskState.DONE
    finally:
        house.images.work.cancel(task.id, "the test")
        loop.stop(5.0)


def test_a_task_that_can_not_be_read_is_left_out_and_the_others_are_told(house: House, tmp_path: Path) -> None:
    house.engine.pulls[REF] = ScriptedPull((10,))
    task = house.end(house.images.pull(REF).id)
    (house.folder / "tasks/damaged.json").write_bytes(b"\x00not json")
    later = House(house.folder, house.engine, house.loop)
    assert [one.id for one in later.images.tasks()] == [task.id]


# -- room ---------------------------------------------------------------------------------------


GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "coming", "missing"),
    [(3 * GIB, GIB, 0), (3 * GIB - 1, GIB, 1), (GIB, 0, 0), (GIB - 1, 0, 1), (0, 0, GIB), (None, 100 * GIB, 0)],
)
def test_room_is_what_comes_unpacked_and_a_reserve(free: int | None, coming: int, missing: int) -> None:
    place = EngineRoom("/var/lib/docker", free)
    if not missing:
        check("Pulling", place, coming)
        return
    with pytest.raises(NoRoom) as refused:
        check("Pulling", place, coming)
    assert refused.value.missing_bytes == missing
    assert isinstance(refused.value.hint, Hint)
    assert refused.value.hint.command == "mlops-desk images prune"


def test_a_full_disk_refuses_a_pull_before_it_begins(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "available_bytes", lambda _folder: 1 << 20)
    house.here = True
    with pytest.raises(NoRoom, match=r"1 MiB is free in /var/lib/fake, and 1023 MiB more is needed"):
        house.images.pull(REF)
    assert house.images.tasks() == []
    assert house.engine.pulled == []


def test_a_disk_that_gets_full_ends_a_pull_before_it_is(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([10 * GIB, 10 * GIB, *[GIB - 5] * 1000])
    monkeypatch.setattr(disk_space, "available_bytes", lambda _folder: next(free))
    monkeypatch.setattr(pulls, "_LOOK_SECONDS", 0.05)
    house.here = True
    slow(house, seconds=5.0)
    failed = house.end(house.images.pull(REF).id)
    assert (failed.state, failed.tries, failed.free_bytes) == (TaskState.FAILED, 1, 10 * GIB)
    assert failed.reason is not None
    assert failed.reason.class_ == "engine_disk_full"


def test_of_an_engine_elsewhere_no_room_is_claimed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "available_bytes", lambda _folder: 0)
    house.engine.pulls[REF] = ScriptedPull((10,))
    assert house.end(house.images.pull(REF).id).free_bytes is None
    assert house.images.room().free_bytes is None


# -- builds -------------------------------------------------------------------------------------


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "My Trainer"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM base:1\nRUN make\n")
    return folder


def test_a_build_tells_its_steps_and_keeps_its_output(house: House, context: Path) -> None:
    house.engine.builds["my-trainer:latest"] = ScriptedBuild((("FROM base:1",), ("RUN make", "cc -O2")))
    done = house.end(house.images.build(str(context)).id)
    assert (done.state, done.reference) == (TaskState.DONE, "my-trainer:latest")
    assert done.step is not None
    assert (done.step.number, done.step.count, done.step.text) == (2, 2, "RUN make")
    assert done.log_tail == ("Step 1/2 : FROM base:1", "Step 2/2 : RUN make", "cc -O2")
    assert list(house.images.logs(done.id, follow=True))[:3] == list(done.log_tail)
    assert house.images.show("my-trainer").origin == "built"


def test_a_build_that_fails_says_why(house: House, context: Path) -> None:
    house.engine.build_error = "make: *** No rule"
    failed = house.end(house.images.build(str(context), "t:1").id)
    assert failed.state is TaskState.FAILED
    assert failed.reason is not None
    assert (failed.reason.class_, "No rule" in failed.reason.text) == ("build_failed", True)


@pytest.mark.parametrize("file", ["../Dockerfile", "/etc/passwd", "a/../../x", "none", "link", "."])
def test_a_dockerfile_lies_in_the_folder_that_is_built(house: House, context: Path, file: str) -> None:
    (context.parent / "Dockerfile").write_text("FROM base:1\n")
    (context / "link").symlink_to("/etc/passwd")
    with pytest.raises(Invalid):
        house.images.build(str(context), "t:1", file)
    assert house.images.tasks() == []


@pytest.mark.parametrize("tag", ["A:1", "a b", "a:", "a::1", "a@sha256:" + "0" * 64, "-a", "a" * 300, "a:1\n", "ä"])
def test_a_name_that_no_image_can_have_is_refused(house: House, context: Path, tag: str) -> None:
    with pytest.raises(Invalid):
        house.images.build(str(context), tag)


def test_a_build_takes_no_name_from_somebody_elses_image(house: House, context: Path) -> None:
    with pytest.raises(Refused, match="somebody outside of this desk"):
        house.images.build(str(context), "base:1")
    house.end(house.images.build(str(context), "mine:1").id)
    assert house.end(house.images.build(str(context), "mine:1").id).state is TaskState.DONE, "one's own is built anew"


def test_only_builds_write(house: House) -> None:
    house.engine.pulls[REF] = ScriptedPull((10,))
    task = house.images.pull(REF)
    with pytest.raises(NotFound, match="is a pull"):
        house.images.logs(task.id)


# -- clearing away ------------------------------------------------------------------------------


def pulled(house: House, *names: str) -> list[ImageTask]:
    house.engine.remote |= set(names)
    return [house.end(house.images.pull(name).id) for name in names]


def needs(word: str) -> ImageNeed:
    return ImageNeed(ImageUser(UserKind.QUEUED_JOB, "j", "train", "queued", "bo"), (word,))


def test_what_nothing_needs_goes_and_the_rest_stays(house: House) -> None:
    pulled(house, "a:1", "b:1", "c:1")
    house.needs.append(needs("b:1"))
    house.engine.create(ContainerSpec("somebodys", "c:1", ("run",)))
    shown = house.images.preview()
    assert [item.name for item in shown.going] == ["a:1"]
    assert {item.name: item.why for item in shown.staying} == {"b:1": "used", "c:1": "used", "base:1": "foreign"}
    assert not shown.applied
    assert house.engine.image("a:1")
    done = house.images.prune()
    assert ([item.name for item in done.going], done.applied) == (["a:1"], True)
    with pytest.raises(NotFound):
        house.engine.image("a:1")
    for name in ("b:1", "c:1", "base:1"):
        assert house.engine.image(name)


def test_only_what_was_shown_goes(house: House) -> None:
    first, second = pulled(house, "a:1", "b:1")
    house.images.prune([first.image_id or ""])
    assert [card.name for card in house.images.list() if card.origin] == ["b:1"]
    assert second.image_id


def test_what_a_job_asks_for_meanwhile_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled(house, "a:1", "b:1")
    remove, order = house.engine.remove_image, []

    def and_then_a_job_comes(reference: str, *, force: bool = True) -> None:
        remove(reference, force=force)
        order.append(reference)
        house.needs.append(needs({"a:1": "b:1", "b:1": "a:1"}[reference]))

    monkeypatch.setattr(house.engine, "remove_image", and_then_a_job_comes)
    done = house.images.prune()
    assert len(order) == len(done.going) == 1
    assert [item.why for item in done.staying if item.name != "base:1"] == ["refused"]


def test_an_image_that_was_there_before_it_was_asked_for_is_not_ours(house: House) -> None:
    house.engine.add_image("a:1")
    pulled(house, "a:1")
    assert house.images.show("a:1").origin == ""
    assert [item.why for item in house.images.preview().staying if item.name == "a:1"] == ["foreign"]


def test_who_brought_what_is_known_to_a_later_agent_and_forgotten_with_the_image(house: House) -> None:
    pulled(house, "a:1")
    later = House(house.folder, house.engine, house.loop)
    assert later.images.show("a:1").origin == "pulled"
    later.images.remove("a:1")
    house.engine.add_image("a:1")
    assert House(house.folder, house.engine, house.loop).images.show("a:1").origin == ""


def test_a_damaged_note_of_who_brought_what_makes_everything_somebody_elses(house: House) -> None:
    pulled(house, "a:1")
    (house.folder / "origins.json").write_text("{")
    later = House(house.folder, house.engine, house.loop)
    assert later.images.preview().going == ()
    assert list(house.folder.glob("origins.json.damaged-*"))


def test_an_image_that_is_needed_is_not_removed_by_hand_either(house: House) -> None:
    pulled(house, "a:1")
    house.needs.append(needs("a:1"))
    with pytest.raises(Refused, match="needed by queued job train of bo"):
        house.images.remove("a:1")
    house.needs.clear()
    assert house.images.remove("a:1").name == "a:1"
    with pytest.raises(NotFound, match="no image"):
        house.images.show("a:1")


def test_an_image_is_found_by_the_beginning_of_its_id(house: House) -> None:
    found = house.engine.image("base:1").id.removeprefix("sha256:")
    assert house.images.show(found[:8]).name == "base:1"
    assert house.images.show(f"sha256:{found}").name == "base:1"
    with pytest.raises(NotFound):
        house.images.show("f" * 64)


def test_an_engine_that_nobody_knows_is_none(house: House) -> None:
    for ask in (house.images.list, house.images.preview, house.images.volumes, house.images.room):
        with pytest.raises(NotFound, match="no engine called mars"):
            ask(engine="mars")
    with pytest.raises(NotFound):
        house.images.pull(REF, "mars")


@pytest.mark.parametrize("reference", ["", "a b", "a\n", "x" * 600])
def test_what_is_no_name_is_not_pulled(house: House, reference: str) -> None:
    with pytest.raises(Invalid):
        house.images.pull(reference)


# -- neighbours ---------------------------------------------------------------------------------


class Neighbour:
    """Another user's desk that needs images of these names."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.told: list[tuple[str, ...]] = []

    def needed(self, images: Mapping[str, Iterable[str]]) -> dict[str, tuple[tuple[int, str], ...]]:
        return {one: ((4242, "bo"),) for one, names in images.items() if self.names & {one, *names}}

    def tell(self, names: Iterable[str]) -> None:
        self.told.append(tuple(names))


def test_what_another_users_desk_needs_stays_and_says_so(house: House) -> None:
    neighbour = Neighbour()
    house.images.stock._parts = replace(house.images.stock._parts, neighbours=neighbour)
    done = house.end(house.images.pull(REF).id)
    assert [item.name for item in house.images.preview().going] == [REF]
    neighbour.names = {REF}
    shown = house.images.prune()
    assert shown.going == ()
    (item,) = [item for item in shown.staying if item.name == REF]
    assert (item.why, item.text) == ("used", "Needed by another user's desk (bo).")
    with pytest.raises(Refused, match="another user's desk") as told:
        house.images.remove(REF)
    assert told.value.hint is not None
    assert "docker rmi" in told.value.hint
    neighbour.names = {done.image_id or ""}
    assert house.images.prune().going == ()
    neighbour.names = set()
    assert [item.name for item in house.images.prune().going] == [REF]


def test_tasks_are_listed_newest_first_those_of_one_moment_by_id_and_no_more_than_asked_for(tmp_path: Path) -> None:
    book = TaskBook(tmp_path / "tasks", lambda _task: None)
    for name, at in (("cccc", 5.0), ("bbbb", 5.0), ("dddd", 4.0), ("aaaa", 6.0)):
        book.add(ImageTask(name, TaskKind.PULL, REF, TaskState.DONE, 1000, "ada", at))
    assert [task.id for task in book.newest()] == ["aaaa", "bbbb", "cccc", "dddd"]
    assert [task.id for task in book.newest(3)] == ["aaaa", "bbbb", "cccc"]
