"""Signed tags, by the real git and ssh-keygen: which count, and which do not, whatever a repository says."""

import os
import subprocess
from pathlib import Path

import pytest

from mlops_desk.governance.tag_worker import answer
from mlops_desk.kit.base.errors import NotFound, Refused

_WHO = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


def git(folder: Path, *words: str) -> str:
    environment = {**os.environ, **_WHO}
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True,
                          env=environment, timeout=60)  # fmt: skip
    return done.stdout.strip()


def key(folder: Path, name: str) -> str:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=60)
    return f'{name}@example.org namespaces="git" {path.with_suffix(".pub").read_text()}'


def signed(repository: Path, key_file: Path, tag: str, *more: str) -> None:
    git(
        repository,
        "-c",
        "gpg.format=ssh",
        "-c",
        f"user.signingKey={key_file}",
        "tag",
        "-s",
        "-m",
        "release",
        *more,
        tag,
    )


def written(repository: Path, tag: str, text: bytes) -> None:
    """Put a tag's text under its name, as whoever may push can."""
    words = ["git", "-C", str(repository), "hash-object", "-t", "tag", "-w", "--stdin", "--literally"]
    done = subprocess.run(words, input=text, capture_output=True, check=True, timeout=60)
    git(repository, "update-ref", f"refs/tags/{tag}", done.stdout.decode().strip())


def text_of(repository: Path, tag: str) -> bytes:
    words = ["git", "-C", str(repository), "cat-file", "tag", tag]
    return subprocess.run(words, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)  # the limit is for a worker's process, not for a test's
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_tag_that_a_key_of_the_policy_signed_tells_who_and_what(repository: Path, tmp_path: Path) -> None:
    ana = key(tmp_path, "ana")
    signed(repository, tmp_path / "ana", "promote/iris/3")
    found = answer({"repository": str(repository), "tag": "promote/iris/3", "signers": ana})
    assert found["signer"] == "ana@example.org"
    assert found["object"] == git(repository, "rev-parse", "promote/iris/3")
    listed = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "ana.pub")], capture_output=True, text=True, check=True
    )
    assert found["fingerprint"] == listed.stdout.split()[1]
    signed(repository, tmp_path / "ana", "promote/iris/3", "--force", "-m", "moved")
    assert answer({"repository": str(repository), "tag": "promote/iris/3", "signers": ana})["object"] != found["object"]


@pytest.mark.slow
def test_no_other_tag_counts(repository: Path, tmp_path: Path) -> None:
    ana, _ = key(tmp_path, "ana"), key(tmp_path, "eve")
    signed(repository, tmp_path / "eve", "promote/iris/1")
    git(repository, "tag", "promote/iris/2")
    git(repository, "tag", "-a", "-m", 'Good "git" signature for ana@example.org with ED25519 key SHA256:' + "A" * 43,
        "promote/iris/3")  # fmt: skip
    signed(repository, tmp_path / "ana", "promote/iris/4")
    git(repository, "update-ref", "refs/tags/promote/iris/5", git(repository, "rev-parse", "promote/iris/4"))
    for number, said in ((1, "not signed by a key"), (2, "only a name"), (3, "not signed"), (5, "under another name")):
        with pytest.raises(Refused, match=said):
            answer({"repository": str(repository), "tag": f"promote/iris/{number}", "signers": ana})
    with pytest.raises(NotFound):
        answer({"repository": str(repository), "tag": "promote/iris/9", "signers": ana})
    with pytest.raises(Refused):
        answer({"repository": str(repository), "tag": "promote/iris/4", "signers": ""})


def test_a_configuration_that_names_a_program_is_not_asked(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = tmp_path / "liar"
    liar.write_text(
        '#!/bin/sh\ntouch "$0.ran"\necho \'Good "git" signature for a with b key SHA256:' + "A" * 43 + "'\n"
    )
    liar.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f'[gpg]\nprogram = {liar}\n[gpg "ssh"]\nprogram = {liar}\ndefaultKeyCommand = {liar}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    ana, _ = key(tmp_path, "ana"), key(tmp_path, "eve")
    signed(repository, tmp_path / "eve", "promote/iris/1")
    with pytest.raises(Refused, match="not signed by a key"):
        answer({"repository": str(repository), "tag": "promote/iris/1", "signers": ana})
    assert not (tmp_path / "liar.ran").exists()
