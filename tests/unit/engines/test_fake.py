"""The fake engine: the shared suite, and what only a fake can do."""

import math

import pytest

from mlops_desk.engines.engine import ContainerSpec, Engine
from mlops_desk.engines.fake import FakeEngine, ScriptedEnding, ScriptedProgram
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable
from tests.engine_suite import PROGRAMS, EngineSuite

GPU = "GPU-00000000-0000-4000-8000-000000000000"


class TestFakeEngine(EngineSuite):
    @pytest.fixture
    def engine(self) -> Engine:
        return FakeEngine(images=["busybox:1"], gpus=[GPU], programs=PROGRAMS)

    @pytest.fixture
    def image(self) -> str:
        return "busybox:1"

    @pytest.fixture
    def gpu(self) -> str:
        return GPU


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def engine_with(program: ScriptedProgram, clock: Clock) -> FakeEngine:
    engine = FakeEngine(images=["image:1"], programs={"": program}, clock=clock)
    engine.create(ContainerSpec("a", "image:1", ("run",)))
    return engine


def test_a_script_unfolds_with_the_clock() -> None:
    clock = Clock()
    engine = engine_with(ScriptedProgram(seconds=10, lines=("a", "b", "c", "d"), exit_code=5), clock)
    engine.start("a")
    assert list(engine.logs("a")) == ["a"]
    clock.now += 5
    assert list(engine.logs("a")) == ["a", "b", "c"]
    assert engine.inspect("a").status == "running"
    clock.now += 100
    facts = engine.inspect("a")
    assert (facts.exit_code, facts.started_at, facts.ended_at) == (5, 1000.0, 1010.0)
    assert list(engine.logs("a")) == ["a", "b", "c", "d"]


def test_an_absent_engine_does_nothing_and_says_so() -> None:
    engine = engine_with(ScriptedProgram(), Clock())
    engine.absent = True
    with pytest.raises(Unavailable) as caught:
        engine.start("a")
    assert not isinstance(caught.value, TimedOut)
    engine.absent = False
    assert engine.inspect("a").status == "created"


def test_a_frozen_engine_does_it_and_does_not_say_so() -> None:
    engine = engine_with(ScriptedProgram(seconds=math.inf), Clock())
    engine.frozen = True
    with pytest.raises(TimedOut):
        engine.start("a")
    with pytest.raises(TimedOut):
        engine.create(ContainerSpec("b", "image:1", ("run",)))
    engine.frozen = False
    assert engine.inspect("a").status == "running"
    assert engine.inspect("b").status == "created"


def test_a_restart_loses_how_containers_ended() -> None:
    engine = engine_with(ScriptedProgram(seconds=math.inf), Clock())
    engine.start("a")
    engine.restart(containers_survive=True)
    assert engine.inspect("a").status == "running"
    engine.restart()
    assert engine.inspect("a").exit_code == 255


def test_files_are_left_in_writable_folders_only(tmp_path) -> None:
    read, write = tmp_path / "read", tmp_path / "write"
    read.mkdir()
    write.mkdir()
    endings: list[ScriptedEnding] = []

    def outcome(spec: ContainerSpec, ending: ScriptedEnding) -> dict[str, str]:
        endings.append(ending)
        return {"/w/outcome": str(ending.exit_code), "/elsewhere/x": "lost"}

    program = ScriptedProgram(exit_code=7, files={"/r/no": "no", "/w/sub/yes": "yes"})
    engine = FakeEngine(images=["image:1"], programs={"": program}, at_end=outcome)
    engine.create(
        ContainerSpec("a", "image:1", ("run",), mounts=(Mount(str(read), "/r"), Mount(str(write), "/w", "rw")))
    )
    engine.start("a")
    assert (write / "sub/yes").read_text() == "yes"
    assert (write / "outcome").read_text() == "7"
    assert list(read.iterdir()) == []
    assert [ending.exit_code for ending in endings] == [7]


def test_the_longest_piece_of_a_command_decides() -> None:
    programs = {
        "train": ScriptedProgram(exit_code=1),
        "train.py --fast": lambda spec: ScriptedProgram(exit_code=len(spec.env)),
    }
    engine = FakeEngine(images=["image:1"], programs=programs)
    for name, command in (("a", ("python", "train.py")), ("b", ("python", "train.py", "--fast"))):
        engine.create(ContainerSpec(name, "image:1", command, env={"x": "1", "y": "2"}))
        engine.start(name)
    assert (engine.inspect("a").exit_code, engine.inspect("b").exit_code) == (1, 2)


def test_only_what_a_registry_has_can_be_pulled() -> None:
    engine = FakeEngine()
    engine.remote.add("python:3")
    assert engine.pull("python:3", 10) == engine.image("python:3")
    with pytest.raises(NotFound):
        engine.pull("python:4", 10)


def test_a_failing_build_says_why(tmp_path) -> None:
    engine = FakeEngine(images=["image:1"])
    engine.build_error = "pip found no wheel"
    (tmp_path / "Dockerfile").write_text("FROM image:1\n")
    with pytest.raises(Refused, match="pip found no wheel"):
        engine.build(tmp_path, "new:1", {}, 10, tmp_path / "log")
    assert "pip found no wheel" in (tmp_path / "log").read_text()


def test_a_restarted_engine_has_forgotten_the_ends_it_saw() -> None:
    engine = FakeEngine(images=["busybox:1"], programs={"train": ScriptedProgram(exit_code=3)})
    created = engine.create(ContainerSpec("c", "busybox:1", ("train",)))
    engine.start("c")
    before = engine.incarnation()
    assert engine.seen_end(created.id) == 3
    engine.restart()
    assert engine.seen_end(created.id) is None
    assert engine.incarnation() != before
