"""Which engines are found, what each is said to be, and where GPUs were proven."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.discovery import Candidate, DockerContext, candidates, docker_contexts, look
from mlops_desk.engines.docker import address
from mlops_desk.engines.engine import EngineInfo, NotAllowed
from mlops_desk.engines.gpu_verification import Proofs
from mlops_desk.engines.records.engine import GpuProof
from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable

DOCKER = EngineInfo("Docker", "26.1.5", "1.45", "nvidia", True, "unix:///d.sock")
PODMAN = EngineInfo("Podman", "5.4.2", "1.41", "cdi", True, "unix:///p.sock", rootless=True)
GPU = "GPU-00000001-0000-4000-8000-000000000000"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine without engines, and a person's folder."""
    monkeypatch.setattr(address, "MACHINE_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(address, "PODMAN_SOCKET", tmp_path / "podman.sock")
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def write_context(home: Path, name: str, host: object, folder: str = "") -> None:
    place = home / ".docker/contexts/meta" / (folder or name)
    place.mkdir(parents=True)
    (place / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_contexts_are_read_from_the_command_lines_files(tmp_path: Path) -> None:
    write_context(tmp_path, "lab", "ssh://box")
    write_context(tmp_path, "rootless", "unix:///run/user/1000/docker.sock")
    (tmp_path / ".docker/config.json").write_text('{"currentContext": "rootless", "auths": {}}')
    assert docker_contexts({"HOME": str(tmp_path)}) == [
        DockerContext("lab", "ssh://box"),
        DockerContext("rootless", "unix:///run/user/1000/docker.sock", current=True),
    ]
    assert docker_contexts({"DOCKER_CONFIG": str(tmp_path / ".docker")})[1].current
    assert docker_contexts({"HOME": str(tmp_path / "nobody")}) == docker_contexts({}) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Name": 1}', '{"Name": "x", "Endpoints": []}', "\x00", "[" * 9999])
def test_a_damaged_context_costs_the_others_nothing(tmp_path: Path, text: str) -> None:
    write_context(tmp_path, "good", "unix:///x.sock")
    write_context(tmp_path, "odd", {"a": 1})
    place = tmp_path / ".docker/contexts/meta/bad"
    place.mkdir()
    (place / "meta.json").write_text(text)
    (tmp_path / ".docker/config.json").write_text(text)
    assert docker_contexts({"HOME": str(tmp_path)}) == [DockerContext("good", "unix:///x.sock")]


def test_each_engine_is_asked_once_whatever_names_it(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "link.sock").symlink_to(tmp_path / "docker.sock")
    write_context(tmp_path, "here", f"unix://{tmp_path}/link.sock")
    env = {**home, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock", "CONTAINER_HOST": "unix:///pod.sock"}
    found = candidates([("local", f"unix://{tmp_path}/docker.sock"), ("lab", f"unix://{tmp_path}/link.sock")], env)
    assert [(one.source, one.names) for one in found] == [
        ("settings", ("local", "lab")),
        ("CONTAINER_HOST", ()),
        ("usual place", ()),  # the person's own Docker, the machine's Podman, the person's own
        ("usual place", ()),
        ("usual place", ()),
    ]


def asked(answers: dict[str, object]):
    def ask(place: str) -> EngineInfo:
        answer = answers[place]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, EngineInfo)
        return answer

    return ask


def test_an_engine_is_what_it_answers(tmp_path: Path) -> None:
    (tmp_path / "p.sock").touch()
    podman = f"unix://{tmp_path}/p.sock"
    proof = GpuProof("minor", (GPU,), 5.0)
    where = [
        Candidate("unix:///d.sock", "settings", ("local",)),
        Candidate(podman, "usual place", expected=False),
        Candidate("unix:///no-such.sock", "usual place", expected=False),
        Candidate("tcp://far:2375", "DOCKER_HOST"),
        Candidate("unix:///root.sock", "context a"),
        Candidate("unix:///frozen.sock", "context b"),
        Candidate("ssh://box", "context c"),
    ]
    answers = {
        "unix:///d.sock": DOCKER,
        podman: PODMAN,
        "tcp://far:2375": Unavailable("No container engine answers at tcp://far:2375.", "Start it."),
        "unix:///root.sock": NotAllowed("This user may not use the container engine at unix:///root.sock."),
        "unix:///frozen.sock": TimedOut("did not answer"),
    }
    found = look(where, {podman: proof}, asked(answers))
    assert [(one.address, one.state) for one in found] == [
        ("unix:///d.sock", "ok"),
        (podman, "ok"),
        ("tcp://far:2375", "absent"),
        ("unix:///root.sock", "refused"),
        ("unix:///frozen.sock", "silent"),
        ("ssh://box", "unspoken"),
    ]
    docker, pod, far = found[:3]
    # A route is a configuration; only what was seen is a proof.
    assert (docker.kind, docker.version, docker.rootless, docker.gpu_route, docker.proof) == (
        "Docker",
        "26.1.5",
        False,
        "nvidia",
        None,
    )
    assert (docker.names, docker.live_restore) == (("local",), True)
    assert (pod.kind, pod.rootless, pod.proof) == ("Podman", True, proof)
    assert (far.kind, far.hint) == (None, "Start it.")


def test_proofs_are_kept_and_the_newest_counts(tmp_path: Path) -> None:
    now = [1000.0]
    proofs = Proofs(tmp_path / "engines.json", lambda: now[0])
    assert proofs.of("unix:///d.sock") is None
    (tmp_path / "link.sock").symlink_to(tmp_path / "d.sock")
    proofs.note(f"unix://{tmp_path}/link.sock", "minor", (GPU,))
    first = GpuProof("minor", (GPU,), 1000.0)
    assert Proofs(tmp_path / "engines.json").of(f"unix://{tmp_path}/d.sock") == first
    now[0] = 1060.0
    proofs.note(f"unix://{tmp_path}/d.sock", "minor", (GPU,))
    assert proofs.of(f"unix://{tmp_path}/d.sock") == first  # a minute later is nothing to write
    proofs.note(f"unix://{tmp_path}/d.sock", "uuid", (GPU,))
    assert Proofs(tmp_path / "engines.json").of(f"unix://{tmp_path}/d.sock") == GpuProof("uuid", (GPU,), 1060.0)
    now[0] = 9000.0
    proofs.note(f"unix://{tmp_path}/d.sock", "uuid", (GPU,))
    assert proofs.of(f"unix://{tmp_path}/d.sock") == GpuProof("uuid", (GPU,), 9000.0)


@given(st.binary(max_size=60))
def test_a_damaged_file_forgets_proofs_and_no_more(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "engines.json").write_bytes(data)
    proofs = Proofs(tmp_path / "engines.json")
    assert proofs.of("unix:///d.sock") is None
    proofs.note("unix:///d.sock", "uuid", ())
    assert Proofs(tmp_path / "engines.json").of("unix:///d.sock") is not None


def test_a_full_disk_costs_the_proof_its_memory_only(tmp_path: Path) -> None:
    proofs = Proofs(tmp_path / "nosuch" / "engines.json")
    proofs.note("unix:///d.sock", "uuid", (GPU,))
    assert proofs.of("unix:///d.sock") is not None


def test_refused_is_no_deadline(tmp_path: Path) -> None:
    (found,) = look([Candidate("unix:///d.sock", "settings")], {}, asked({"unix:///d.sock": Refused("no")}))
    assert found.state == "absent"
