"""An endpoint written down: whole or not at all, by its owner alone, signed so that no byte of it can be changed."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.serving.export import export_task
from tests.end2end.endpoint_house import House, open_house

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "house") as built:
        built.replica(1)
        built.service.deploy("digits@champion", "front")
        yield built


def verified(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(folder / "verify.sh"), "--no-load", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_as_an_image_it_is_one_file_with_digest_and_packages_beside_it(house: House, tmp_path: Path) -> None:
    done = house.service.export("front", str(tmp_path / "front.tar"), format="oci")
    assert [Path(file).name for file in done.files] == ["front.tar", "front.tar.digest", "front.tar.sbom.cdx.json"]
    assert (tmp_path / "front.tar.digest").read_text() == f"{done.digest}\n"
    assert json.loads((tmp_path / "front.tar.sbom.cdx.json").read_text())["components"][0]["name"] == "fake-package"
    assert (done.packages, done.image, done.signer) == (1, "mlops-desk-export/front:r1", None)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert not list((house.folder.endpoints / "_exports").glob("*.part"))


START = {"compose.yaml", "mlops-desk-front.service", "mlops-desk-front.container"}


@pytest.mark.parametrize(
    ("format_", "own"),
    [
        ("compose", {"compose.yaml"}),
        ("systemd", START - {"compose.yaml"}),
        ("bundle", START | {"verify.sh", "SHA256SUMS", "SHA256SUMS.sig", "allowed_signers"}),
    ],
)
def test_as_a_folder_it_has_the_files_that_start_it(house: House, tmp_path: Path, format_: str, own: set[str]) -> None:
    house.service.export("front", str(tmp_path / "out"), format=format_)
    always = {"image.tar", "image.digest", "sbom.cdx.json", "README.txt", "export.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == always | own


def test_a_bundle_holds_and_no_changed_byte_passes(house: House, tmp_path: Path) -> None:
    done = house.service.export("front", str(tmp_path / "out"), format="bundle")
    passed = verified(tmp_path / "out")
    assert passed.returncode == 0, passed.stderr
    assert done.signer is not None
    assert done.signer.startswith("SHA256:")
    assert done.signer in passed.stdout + passed.stderr, "it is compared with what the person was told"
    for path in sorted((tmp_path / "out").iterdir()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert verified(tmp_path / "out").returncode != 0, (path.name, place)
        path.write_bytes(whole)
    (tmp_path / "out" / "more").write_text("x")
    assert "exported" in verified(tmp_path / "out").stderr
    (tmp_path / "out" / "more").unlink()
    (tmp_path / "out" / "README.txt").unlink()
    assert verified(tmp_path / "out").returncode != 0


def test_a_bundle_that_somebody_else_signs_is_not_taken_by_who_knows_the_signer(house: House, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    house.service.export("front", str(tmp_path / "mine"), format="bundle", key=str(key))
    house.service.export("front", str(tmp_path / "other"), format="bundle")
    known = tmp_path / "mine" / "allowed_signers"
    assert verified(tmp_path / "mine", str(known)).returncode == 0
    assert verified(tmp_path / "other", str(known)).returncode != 0


def test_a_key_that_is_none_leaves_nothing(house: House, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    for key, error in ((tmp_path / "key", Refused), (locked, Refused), (tmp_path / "missing", Invalid)):
        with pytest.raises(error):
            house.service.export("front", str(tmp_path / "out"), format="bundle", key=str(key))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["house", "key", "locked", "locked.pub"]


def test_nothing_is_written_over_and_no_folder_is_made(house: House, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "front.tar.digest").write_text("mine")
    for name, error in (("there", Refused), ("front.tar", Refused), ("no/out", NotFound)):
        with pytest.raises(error):
            house.service.export("front", str(tmp_path / name), format="oci")
    with pytest.raises(Invalid, match="no format"):
        house.service.export("front", str(tmp_path / "out"), format="zip")
    with pytest.raises(Invalid, match="absolute"):
        house.service.export("front", "out", format="oci")
    assert (tmp_path / "there").read_text() == (tmp_path / "front.tar.digest").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["front.tar.digest", "house", "there"]


def test_where_there_is_no_room_it_says_how_much_is_needed(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_task, "free_bytes", lambda _folder: 10 << 20)
    with pytest.raises(Refused, match="The export needs") as raised:
        house.service.export("front", str(tmp_path / "out.tar"), format="oci")
    assert "has 10 MiB" in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["house"]


@pytest.mark.parametrize(
    ("broken", "said"), [(Unavailable("gone"), "gone"), (OSError(28, "No space left on device"), "full|no space")]
)
def test_an_engine_or_a_disk_that_breaks_off_leaves_nothing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Exception, said: str
) -> None:
    def half(_reference: str, target: Path, _seconds: float, _saved: object) -> None:
        target.write_bytes(b"half")
        raise broken

    monkeypatch.setattr(house.engine, "save_image", half)
    with pytest.raises(Unavailable, match=said):
        house.service.export("front", str(tmp_path / "out"), format="bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["house"]


def test_an_image_that_is_gone_is_told_with_what_to_do(house: House, tmp_path: Path) -> None:
    image = house.service.show("front").image
    assert image is not None
    house.engine.remove_image(image)
    with pytest.raises(Refused, match="not at the engine any more") as raised:
        house.service.export("front", str(tmp_path / "out"), format="oci")
    assert "endpoints deploy digits/3 --name front" in str(raised.value.hint)


def test_another_user_writes_no_files_with_the_agents_rights(house: House, tmp_path: Path) -> None:
    def asked() -> None:
        set_caller(Caller(4711, 4711, 1))
        with pytest.raises(Refused, match="one's own"):
            house.service.export("front", str(tmp_path / "out"), format="oci")

    copy_context().run(asked)


def test_what_a_killed_agent_has_left_is_taken_away_by_the_next(house: House, tmp_path: Path) -> None:
    notes = house.folder.endpoints / "_exports"
    notes.mkdir(exist_ok=True)
    part, precious = tmp_path / ".out.0123abcd.part", tmp_path / "precious"
    (part / "content").mkdir(parents=True)
    (part / "saved.tar").write_bytes(b"half")
    precious.mkdir()
    (notes / "0123abcd.part").write_text(str(part))
    (notes / "4567.part").write_text(str(precious))  # a note that was tampered with
    house.agent().start()
    house.wait(lambda: not list(notes.glob("*.part")))
    assert not part.exists()
    assert precious.exists()


def test_an_image_that_serves_by_itself_says_why_it_stays_and_nothing_is_written(house: House, tmp_path: Path) -> None:
    for image in ("their/server:1", "scratch"):  # the relay's own image is built on nothing
        house.engine.add_image(image)
    house.replica(2)
    made = house.service.deploy("", "chat", image="their/server:1", port=8000, health="/ping")
    assert made.state == "live", made.reason
    with pytest.raises(Refused, match="doesn't keep the contract of exported images") as refused:
        house.service.export("chat", str(tmp_path / "out"), format="bundle")
    assert "docker save -o FILE their/server:1" in str(refused.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["house"]


@pytest.mark.parametrize("format_", ["oci", "bundle"])
def test_an_export_that_is_stopped_leaves_nothing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    save = house.engine.save_image

    def stopped(reference: str, target: Path, seconds: float, saved: Callable[[int], None]) -> None:
        save(reference, target, seconds)
        assert house.service.cancel("t-1").text == "Saving the image from the engine."
        saved(target.stat().st_size)

    monkeypatch.setattr(house.engine, "save_image", stopped)
    with pytest.raises(Refused, match="The export was stopped"):
        house.service.export("front", str(tmp_path / "out"), format=format_, ticket="t-1")
    assert [path.name for path in tmp_path.iterdir()] == ["house"]
    assert not list((house.folder.endpoints / "_exports").glob("*.part"))
    monkeypatch.undo()
    assert house.service.export("front", str(tmp_path / "out"), format=format_, ticket="t-1").files


def test_a_bundle_says_on_which_machines_it_runs(house: House, tmp_path: Path) -> None:
    house.service.export("front", str(tmp_path / "out"), format="bundle")
    told = json.loads((tmp_path / "out" / "export.json").read_text())["platform"]
    assert told == "linux/amd64"
    assert "for linux/amd64. No network" in (tmp_path / "out" / "README.txt").read_text()
    programs = tmp_path / "bin"
    programs.mkdir()
    for machine, said in (("x86_64", False), ("aarch64", True), ("riscv64", True)):
        (programs / "uname").write_text(f"#!/bin/sh\necho {machine}\n")
        (programs / "uname").chmod(0o755)
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        command = ["sh", str(tmp_path / "out" / "verify.sh"), "--no-load"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
        assert (done.returncode, "it will not run here" in done.stderr) == (0, said), machine
