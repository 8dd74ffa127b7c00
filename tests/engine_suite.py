"""What every Engine does, as tests: run against the fake and against real Docker.

A class that inherits ``EngineSuite`` gives three fixtures: ``engine``, ``image`` (with a shell) and
``gpu`` (the UUID of a GPU that it can hand over). ``PROGRAMS`` tells a fake what the commands do.
"""

import math
import os
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, Engine
from mlops_desk.engines.fake import ScriptedProgram, ScriptedReply
from mlops_desk.engines.image_store import BuildOrder
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.disk.mount_points import MountTable
from mlops_desk.kit.base.errors import NotFound, Refused

LABEL = "io.mlops-desk.test-run"

SAYS = ("sh", "-c", "echo one; sleep 0.3; echo two >&2; exit 3")
WAITS = ("sh", "-c", "echo up; exec sleep 600")
STUBBORN = ("sh", "-c", "trap '' TERM; echo up; while true; do sleep 1; done")
LISTENS = (
    "sh",
    "-c",
    "save() { echo saved; }; trap save USR1; trap 'exit 7' USR2; echo up; while true; do sleep 0.1; done",
)
HOSTILE = (
    "sh",
    "-c",
    r"printf '\033[31mred\033[0m\n'; head -c 9000 /dev/zero | tr '\0' x; echo; printf '10%%\r99%%\r100%%\n'",
)
WRITES = ("sh", "-c", "echo done > /out/result.txt")

PROGRAMS = {
    "one; sleep": ScriptedProgram(seconds=0.3, lines=("one", "two"), exit_code=3),
    "exec sleep": ScriptedProgram(seconds=math.inf, lines=("up",)),
    "trap": ScriptedProgram(seconds=math.inf, lines=("up",), ignores_term=True),
    "echo saved;": ScriptedProgram(
        seconds=math.inf,
        lines=("up",),
        replies={"USR1": ScriptedReply(("saved",)), "USR2": ScriptedReply(exit_code=7)},
    ),
    "033": ScriptedProgram(lines=("\033[31mred\033[0m", "x" * 9000, "100%")),
    "result.txt": ScriptedProgram(files={"/out/result.txt": "done\n"}),
}


def ended(engine: Engine, name: str) -> ContainerFacts:
    deadline = time.monotonic() + 240
    while engine.inspect(name).status != "exited":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return engine.inspect(name)


REACH = "nc -w 2 {} 7000 </dev/null 2>/dev/null"


def assert_kept_apart(engine: Engine, image: str, name: str) -> None:
    """Fail unless a container reaches its own port and not that of another; both ask for no network."""
    other = f"{name}-other"
    itself = f"until {REACH.format('$(hostname -i)')}; do sleep 0.1; done; echo listens; wait"
    serve = f"while :; do nc -l -p 7000 </dev/null; done & {itself}"
    try:
        engine.create(ContainerSpec(name, image, ("sh", "-c", serve)))
        (address,) = engine.start(name).addresses.values()
        deadline = time.monotonic() + 240
        while list(engine.logs(name)) != ["listens"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        probe = f"for i in 1 2 3; do {REACH.format(address)} && echo reached || echo kept off; done"
        engine.create(ContainerSpec(other, image, ("sh", "-c", probe)))
        engine.start(other)
        ended(engine, other)
        assert list(engine.logs(other)) == ["kept off"] * 3
    finally:
        engine.remove(other)
        engine.remove(name)


class EngineSuite:
    UNKNOWN_GPU = "unknown device"
    """What the engine says of a GPU that it has not."""

    @pytest.fixture
    def name(self, engine: Engine) -> Iterator[str]:
        name = f"mld-test-{uuid.uuid4().hex[:12]}"
        yield name
        engine.remove(name)

    def spec(self, name: str, image: str, command: tuple[str, ...] = SAYS, **more: object) -> ContainerSpec:
        return ContainerSpec(name, image, command, labels={LABEL: name}, **more)

    def test_tells_what_it_is(self, engine: Engine) -> None:
        info = engine.info()
        assert info.name
        assert info.version
        assert info.address

    def test_a_container_runs_to_its_end(self, engine: Engine, image: str, name: str) -> None:
        created = engine.create(self.spec(name, image))
        assert (created.status, created.exit_code, created.pid) == ("created", None, None)
        assert created.image_id == engine.image(image).id
        started = engine.start(name)
        assert started.id == created.id
        assert started.started_at is not None
        facts = ended(engine, name)
        assert (facts.exit_code, facts.oom_killed, facts.error) == (3, False, None)
        assert facts.ended_at is not None
        assert facts.ended_at >= started.started_at
        assert sorted(engine.logs(name)) == ["one", "two"]

    def test_following_a_log_gives_each_line_once_and_ends_with_the_container(
        self, engine: Engine, image: str, name: str
    ) -> None:
        engine.create(self.spec(name, image))
        engine.start(name)
        assert list(engine.logs(name, follow=True)) == ["one", "two"]

    def test_the_tail_is_what_came_last(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image))
        engine.start(name)
        ended(engine, name)
        assert list(engine.logs(name, tail=1)) == ["two"]
        assert list(engine.logs(name, tail=0)) == []

    def test_a_log_is_plain_capped_and_folded(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, HOSTILE))
        engine.start(name)
        ended(engine, name)
        red, long, progress = engine.logs(name)
        assert red == "red"
        assert len(long) == 4097
        assert progress == "100%"

    def test_a_log_is_had_as_it_was_written_with_the_engines_own_times(
        self, engine: Engine, image: str, name: str
    ) -> None:
        engine.create(self.spec(name, image))
        engine.start(name)
        pieces = list(engine.log_pieces(name, follow=True))
        facts = ended(engine, name)
        assert sorted(piece.data for piece in pieces) == [b"one\n", b"two\n"]
        for piece in pieces:
            # Podman notes the start after it, and the time of a line when it is read: on a busy machine that is late.
            assert facts.started_at - 10.0 <= piece.at <= facts.ended_at + 10.0
            assert abs(datetime.fromisoformat(piece.stamp).timestamp() - piece.at) < 0.001
        assert list(engine.log_pieces(name)) == pieces
        assert list(engine.log_pieces(name, since=pieces[0].at)) == pieces
        assert list(engine.log_pieces(name, since=pieces[-1].at + 60)) == []
        engine.remove(name)
        with pytest.raises(NotFound):
            list(engine.log_pieces(name))

    def test_tells_what_is_really_mounted(self, engine: Engine, image: str, name: str, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(mode=0o755)
        (tmp_path / "link").symlink_to("real")
        mounts = (Mount(str(tmp_path / "link"), "/data"), Mount(str(tmp_path), "/other", "rw"))
        engine.create(self.spec(name, image, WAITS, mounts=mounts))
        assert engine.mounted(name) == []
        engine.start(name)
        shown = {str(mount.point): mount.place for mount in engine.mounted(name) or ()}
        assert shown["/data"] == MountTable().place(str(tmp_path / "real"))
        assert shown["/other"] == MountTable().place(str(tmp_path))
        engine.stop(name, 0)
        ended(engine, name)
        assert engine.mounted(name) == []
        engine.remove(name)
        with pytest.raises(NotFound):
            engine.mounted(name)

    def test_creating_again_adopts(self, engine: Engine, image: str, name: str) -> None:
        first = engine.create(self.spec(name, image))
        engine.start(name)
        again = engine.create(self.spec(name, image))
        assert again.id == first.id
        assert again.status != "created"

    def test_many_creates_at_once_make_one_container(self, engine: Engine, image: str, name: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            ids = {facts.id for facts in pool.map(lambda _: engine.create(self.spec(name, image)), range(8))}
        assert len(ids) == 1
        assert len(engine.containers({LABEL: name})) == 1

    def test_a_stranger_of_the_same_name_is_not_adopted(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image))
        with pytest.raises(Refused, match="nother container"):
            engine.create(ContainerSpec(name, image, SAYS, labels={LABEL: "other"}))

    def test_what_has_run_is_never_started_again(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image))
        engine.start(name)
        first = ended(engine, name)
        again = engine.start(name)
        assert (again.status, again.started_at) == ("exited", first.started_at)

    def test_stopping_gives_time_and_then_kills(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, WAITS))
        engine.start(name)
        assert next(engine.logs(name, follow=True)) == "up"
        engine.stop(name, 10)
        assert ended(engine, name).exit_code == 143
        engine.stop(name, 10)

    def test_who_ignores_the_signal_is_killed(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, STUBBORN))
        engine.start(name)
        assert next(engine.logs(name, follow=True)) == "up"
        engine.stop(name, 1)
        facts = ended(engine, name)
        assert (facts.exit_code, facts.oom_killed) == (137, False)

    def test_a_signal_is_heard_and_ends_nothing_by_itself(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, LISTENS))
        engine.kill(name, "USR1")
        engine.start(name)
        lines = engine.logs(name, follow=True)
        assert next(lines) == "up"
        engine.kill(name, "USR1")
        assert next(lines) == "saved"
        assert engine.inspect(name).status == "running"
        engine.kill(name, "USR2")
        assert ended(engine, name).exit_code == 7
        engine.kill(name, "USR1")
        engine.remove(name)
        engine.kill(name, "USR1")

    def test_a_signal_that_nobody_handles_ends_it(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, WAITS))
        engine.start(name)
        assert next(engine.logs(name, follow=True)) == "up"
        engine.kill(name, "USR1")
        assert ended(engine, name).exit_code == 128 + signal.SIGUSR1

    def test_removing_ends_what_runs_and_can_be_repeated(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, WAITS))
        engine.start(name)
        engine.remove(name)
        engine.remove(name)
        engine.stop(name, 1)
        with pytest.raises(NotFound):
            engine.inspect(name)
        with pytest.raises(NotFound):
            engine.start(name)
        with pytest.raises(NotFound):
            engine.logs(name)

    def test_containers_are_found_by_their_labels(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image))
        assert [facts.name for facts in engine.containers({LABEL: name})] == [name]
        assert name in [facts.name for facts in engine.containers({LABEL: ""})]
        assert engine.containers({LABEL: name, "io.mlops-desk.other": ""}) == []
        engine.start(name)
        ended(engine, name)
        for _ in range(2):  # what has ended may be remembered
            (facts,) = engine.containers({LABEL: name})
            assert facts == engine.inspect(name)
        engine.remove(name)
        assert engine.containers({LABEL: name}) == []

    def test_an_image_that_is_not_here_is_not_found(self, engine: Engine, name: str) -> None:
        missing = "mlops-desk-test/nosuch:1"
        with pytest.raises(NotFound):
            engine.image(missing)
        with pytest.raises(NotFound):
            engine.create(self.spec(name, missing))
        engine.remove_image(missing)

    def test_an_image_is_listed_with_its_names_and_its_size(self, engine: Engine, image: str) -> None:
        (found,) = [one for one in engine.images() if image in one.tags]
        assert found.id == engine.image(image).id
        assert found.size_bytes is not None
        assert found.size_bytes > 0
        assert engine.data_folder().startswith("/")

    def test_an_image_that_a_container_is_made_of_goes_by_force_alone(
        self, engine: Engine, image: str, name: str, tmp_path: Path
    ) -> None:
        tag, steps = f"mlops-desk-test/needed:{uuid.uuid4().hex[:8]}", []
        (tmp_path / "Other").write_text(f"FROM {image}\nLABEL io.mlops-desk.test=1\n")
        engine.build(tmp_path, tag, {LABEL: "1"}, 60, tmp_path / "log", order=BuildOrder("Other"), heard=steps.append)
        assert next(news.step.number for news in steps if news.step is not None) == 1
        try:
            engine.create(self.spec(name, tag))
            with pytest.raises(Refused):
                engine.remove_image(tag, force=False)
            assert engine.image(tag).tags == (tag,)
            engine.remove(name)
            engine.remove_image(tag, force=False)
            with pytest.raises(NotFound):
                engine.image(tag)
        finally:
            engine.remove_image(tag)

    def test_an_end_that_was_seen_is_in_the_engines_log(self, engine: Engine, image: str, name: str) -> None:
        created = engine.create(self.spec(name, image))
        assert engine.seen_end(created.id) is None
        engine.start(name)
        ended(engine, name)
        assert engine.seen_end(created.id) == 3
        assert engine.seen_end("0" * 64) is None

    def test_an_engine_that_goes_on_is_the_same(self, engine: Engine) -> None:
        assert engine.incarnation() is not None
        assert engine.incarnation() == engine.incarnation()

    def test_files_are_seen_without_starting(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image))
        assert engine.has_file(name, "/bin/sh")
        assert not engine.has_file(name, "/bin/nosuch")
        with pytest.raises(NotFound):
            engine.has_file(f"{name}-gone", "/bin/sh")

    def test_a_writable_folder_receives_what_the_container_writes(
        self, engine: Engine, image: str, name: str, tmp_path: Path
    ) -> None:
        mount = Mount(str(tmp_path), "/out", "rw")
        engine.create(self.spec(name, image, WRITES, mounts=(mount,), user=f"{os.getuid()}:{os.getgid()}"))
        engine.start(name)
        assert ended(engine, name).exit_code == 0
        assert (tmp_path / "result.txt").read_text() == "done\n"

    def test_a_gpu_is_handed_over_by_its_uuid(self, engine: Engine, image: str, name: str, gpu: str) -> None:
        assert engine.info().gpu_route is not None
        engine.create(self.spec(name, image, gpus=(gpu,), user="65534:65534"))
        facts = engine.inspect(name)
        assert (facts.gpus, facts.user) == ((gpu,), "65534:65534")
        assert facts.image in {image, facts.image_id}
        engine.start(name)
        assert ended(engine, name).exit_code == 3

    def test_gpu_trouble_shows_at_start_and_leaves_the_container(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, gpus=("GPU-99999999-0000-4000-8000-000000000000",)))
        with pytest.raises(Refused, match=self.UNKNOWN_GPU):
            engine.start(name)
        facts = engine.inspect(name)
        assert (facts.status, facts.exit_code, facts.started_at) == ("created", 128, None)
        assert facts.error is not None
        assert self.UNKNOWN_GPU in facts.error

    def test_a_container_without_network_has_no_address(self, engine: Engine, image: str, name: str) -> None:
        engine.create(self.spec(name, image, WAITS, network="none"))
        assert engine.start(name).addresses == {}
        assert engine.bridge_address().count(".") == 3

    def test_a_network_that_is_gone_needs_no_removing(self, engine: Engine, name: str) -> None:
        engine.remove_network(name)

    @pytest.mark.parametrize(
        "source",
        [
            "/",
            "/etc",
            "/etc/ssl",
            "/proc",
            "/sys",
            "/dev",
            "/run",
            "/var/run",
            "/var",
            "/home",
            "/root/..",
            "/var/lib/docker",
            "relative",
            "/nosuch-folder",
        ],
    )
    def test_no_container_gets_the_system(self, engine: Engine, image: str, name: str, source: str) -> None:
        with pytest.raises(Refused):
            engine.create(self.spec(name, image, mounts=(Mount(source, "/x"),)))
        with pytest.raises(NotFound):
            engine.inspect(name)

    @pytest.mark.parametrize(
        "variable", ["NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "LD_PRELOAD", "LD_AUDIT"]
    )
    def test_nobody_chooses_gpus_or_loaders_by_variable(
        self, engine: Engine, image: str, name: str, variable: str
    ) -> None:
        with pytest.raises(Refused, match=variable):
            engine.create(self.spec(name, image, env={variable: "all"}))

    @pytest.mark.parametrize("network", ["host", "container:other"])
    def test_no_container_shares_a_network_with_the_host(
        self, engine: Engine, image: str, name: str, network: str
    ) -> None:
        with pytest.raises(Refused, match="network"):
            engine.create(self.spec(name, image, network=network))

    def test_builds_an_image_and_shows_why_one_fails(self, engine: Engine, image: str, tmp_path: Path) -> None:
        tag, folder, log = f"mlops-desk-test/built:{uuid.uuid4().hex[:8]}", tmp_path / "context", tmp_path / "build.log"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f'FROM {image}\nLABEL io.mlops-desk.test=1\nCMD ["sh"]\n')
        try:
            built = engine.build(folder, tag, {LABEL: "1"}, 60, log)
            assert tag in built.tags
            assert built == engine.image(tag)
            assert "FROM" in log.read_text()
        finally:
            engine.remove_image(tag)
        with pytest.raises(NotFound):
            engine.image(tag)
