"""Tags signed by GPG, by the real git and gpg: which count, and which do not, and that one is one however it is written."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.governance import tag_worker
from mlops_desk.governance.tag_worker import answer
from mlops_desk.kit.base.errors import Refused, Unavailable
from tests.gpg_keys import GpgKeys
from tests.unit.desk.test_signed_tags import git, key, repository, signed, text_of, written

__all__ = ["repository"]
LONG_AGO, LATER = "20200101T000000", "20200103T000000"
ANA, EVE = "Ana <ana@example.org>", "Eve <eve@example.org>"
HASH, GOOD = "8", f"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 1122334455667788 Ana%0aB\n[GNUPG:] VALIDSIG {'A' * 40} "


@pytest.fixture(scope="module")
def keys() -> Iterator[GpgKeys]:
    made = GpgKeys()
    made.make(ANA)
    made.make(EVE)
    yield made
    made.close()


def tagged(repository: Path, keys: GpgKeys, tag: str, who: str, *options: str) -> None:
    by = keys.program(*options)
    words = ("-c", "gpg.format=openpgp", "-c", f"gpg.program={by}", "-c", f"user.signingKey={who}")
    git(repository, *words, "tag", "-s", "-m", "release", tag)


def ask(repository: Path, tag: str, signers: str) -> dict[str, str]:
    return answer({"repository": str(repository), "tag": tag, "signers": signers})


def test_a_gpg_key_of_the_policy_tells_who_by_its_whole_fingerprint(repository, keys, tmp_path) -> None:
    tagged(repository, keys, "promote/iris/3", ANA)
    both = key(tmp_path, "bo") + keys.public(EVE) + "# and\n" + keys.public(ANA)
    found = ask(repository, "promote/iris/3", both)
    assert (found["fingerprint"], found["signer"]) == (keys.fingerprints(ANA)[0], ANA)
    assert len(found["fingerprint"]) == 40
    signed(repository, tmp_path / "bo", "promote/iris/4")
    assert ask(repository, "promote/iris/4", both)["signer"] == "bo@example.org", "keys of both kinds stand together"


def test_no_other_key_counts_whoever_this_user_trusts(repository, keys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(keys.home))  # where Eve's key is known, and trusted without bounds
    tagged(repository, keys, "promote/iris/1", EVE)
    with pytest.raises(Refused, match="by a stranger's key"):
        ask(repository, "promote/iris/1", keys.public(ANA))
    with pytest.raises(Refused, match="has no GPG key"):
        ask(repository, "promote/iris/1", key(tmp_path, "bo"))
    with pytest.raises(Refused, match="keys of the policy can't be read: The last GPG key has no end"):
        ask(repository, "promote/iris/1", keys.public(EVE)[:-40])


def test_what_was_changed_since_it_was_signed_counts_for_nothing(repository, keys) -> None:
    tagged(repository, keys, "promote/iris/1", ANA)
    written(repository, "promote/iris/1", text_of(repository, "promote/iris/1").replace(b"release", b"releases"))
    with pytest.raises(Refused, match="as another text"):
        ask(repository, "promote/iris/1", keys.public(ANA))


def test_a_key_that_was_revoked_or_has_run_out_signs_nothing_be_it_of_old(repository, keys) -> None:
    old, gone = "Old <old@example.org>", "Gone <gone@example.org>"
    keys.make(old, "2020-01-02", LONG_AGO)
    tagged(repository, keys, "promote/iris/1", old, "--faked-system-time", f"{LONG_AGO}!")
    with pytest.raises(Refused, match="by a key that has run out"):
        ask(repository, "promote/iris/1", keys.public(old))
    fingerprint = keys.make(gone)
    tagged(repository, keys, "promote/iris/2", gone)
    assert ask(repository, "promote/iris/2", keys.public(gone))["fingerprint"] == fingerprint
    keys.revoke(fingerprint)
    with pytest.raises(Refused, match="by a key that was revoked"):
        ask(repository, "promote/iris/2", keys.public(gone))


def test_a_subkey_counts_as_its_primary_key_while_it_has_not_run_out(repository, keys) -> None:
    sub = "Sub <sub@example.org>"
    primary = keys.make(sub, at=LONG_AGO)
    keys.run("--quick-add-key", primary, "ed25519", "sign", "2020-01-02", at=LONG_AGO)
    keys.run("--quick-add-key", primary, "ed25519", "sign", "never")
    _, over, good = keys.fingerprints(sub)
    tagged(repository, keys, "promote/iris/1", f"{good}!")
    assert ask(repository, "promote/iris/1", keys.public(sub))["fingerprint"] == primary
    tagged(repository, keys, "promote/iris/2", f"{over}!", "--faked-system-time", f"{LONG_AGO}!")
    with pytest.raises(Refused, match="by a key that has run out"):
        ask(repository, "promote/iris/2", keys.public(sub))


def test_two_signatures_are_none(repository, keys, tmp_path) -> None:
    tagged(repository, keys, "promote/iris/1", ANA)
    payload = text_of(repository, "promote/iris/1").partition(b"-----BEGIN")[0]
    written(repository, "promote/iris/1", payload + keys.run("-b", "--armor", "-u", ANA, "-u", EVE, given=payload))
    for signers in (keys.public(ANA), keys.public(ANA, EVE)):
        with pytest.raises(Refused, match=r"more than one signature|by a stranger's key"):
            ask(repository, "promote/iris/1", signers)
    one = keys.run("-b", "--armor", "-u", ANA, given=payload)
    written(repository, "promote/iris/1", payload + one + one)
    with pytest.raises(Refused, match="more than one signature"):
        ask(repository, "promote/iris/1", keys.public(ANA))


def test_a_head_that_says_more_and_a_signature_of_canonical_text_count_for_nothing(repository, keys) -> None:
    tagged(repository, keys, "promote/iris/1", ANA)
    text = text_of(repository, "promote/iris/1")
    written(repository, "promote/iris/1", text.replace(b"\n\n", b"\ngpgsig none\n\n", 1))
    with pytest.raises(Refused, match="its head says more"):
        ask(repository, "promote/iris/1", keys.public(ANA))
    payload = text.partition(b"-----BEGIN")[0]
    written(repository, "promote/iris/1", payload + keys.run("-b", "--armor", "--textmode", "-u", ANA, given=payload))
    with pytest.raises(Refused, match="could be another one"):
        ask(repository, "promote/iris/1", keys.public(ANA))
    old = keys.run("-b", "--armor", "--digest-algo", "SHA1", "-u", ANA, given=payload)
    written(repository, "promote/iris/1", payload + old)
    with pytest.raises(Refused, match="an old hash"):
        ask(repository, "promote/iris/1", keys.public(ANA))


def test_a_signature_that_is_written_otherwise_is_the_same_word(repository, keys) -> None:
    tagged(repository, keys, "promote/iris/1", ANA)
    first = ask(repository, "promote/iris/1", keys.public(ANA))
    text = text_of(repository, "promote/iris/1")
    written(repository, "promote/iris/1", text.replace(b"SIGNATURE-----\n\n", b"SIGNATURE-----\nComment: x\n\n", 1))
    again = ask(repository, "promote/iris/1", keys.public(ANA))
    assert again["object"] != first["object"]
    assert again["payload"] == first["payload"]


def test_a_machine_without_gpg_says_what_to_install(repository, keys, monkeypatch) -> None:
    tagged(repository, keys, "promote/iris/1", ANA)
    monkeypatch.setattr(tag_worker, "PROGRAM", "no-such-gpg")
    with pytest.raises(Unavailable, match="no gpg on this machine") as caught:
        ask(repository, "promote/iris/1", keys.public(ANA))
    assert "apt-get install gnupg" in (caught.value.hint or "")


def test_a_key_that_gpg_can_not_read_refuses_the_policy_and_not_the_tag_alone(repository, keys) -> None:
    tagged(repository, keys, "promote/iris/1", ANA)
    junk = base64.b64encode(b"\x98\x05hello").decode()
    broken = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{junk}\n-----END PGP PUBLIC KEY BLOCK-----\n"
    with pytest.raises(Refused, match=r"The 2\. GPG key of the policy can't be read"):
        ask(repository, "promote/iris/1", keys.public(ANA) + broken)


def test_a_configuration_that_names_another_gpg_is_not_asked(repository, keys, tmp_path, monkeypatch) -> None:
    liar = tmp_path / "liar"
    liar.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nprintf '[GNUPG:] GOODSIG 1 Ana\\n'\n")
    liar.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f'[gpg]\nprogram = {liar}\nformat = openpgp\n[gpg "openpgp"]\nprogram = {liar}\n')
    tagged(repository, keys, "promote/iris/1", EVE)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    with pytest.raises(Refused, match="by a stranger's key"):
        ask(repository, "promote/iris/1", keys.public(ANA))
    assert not (tmp_path / "ran").exists()
    assert os.environ.get("GNUPGHOME") != str(keys.home)


def valid(sig: str = "B" * 40, algorithm: str = HASH, kind: str = "00", more: str = "") -> str:
    return f"{GOOD}2026-01-01 1767225600 0 4 0 22 {algorithm} {kind} {sig}\n{more}"


def test_the_primary_keys_fingerprint_and_its_user_are_read_from_the_status_alone() -> None:
    assert tag_worker.signer_in(valid(more="[GNUPG:] TRUST_FULLY 0 always\n")) == ("B" * 40, "Ana\nB")
    assert (
        tag_worker.signer_in("gpg: [GNUPG:] BADSIG 1 x\n" + valid(more="[GNUPG:] KEYEXPIRED 1577923200\n"))[0]
        == "B" * 40
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("", "not signed by a key"),
        (valid().partition("[GNUPG:] VALIDSIG")[0], "not signed by a key"),
        (valid().replace("GOODSIG", "GOODSIGN"), "not signed by a key"),
        (valid() + valid(), "more than one signature"),
        (valid(more=valid().replace("[GNUPG:] NEWSIG\n", "")), "not signed by a key"),
        (valid(more="[GNUPG:] PLAINTEXT 62 0 \n"), "not signed by a key"),
        (valid(more="[GNUPG:] TRUST_NEVER 0\n"), "not signed by a key"),
        (valid(more="[GNUPG:] FAILURE verify 1\n"), "not signed by a key"),
        (valid(more="[GNUPG:] BADSIG 1 Ana\n"), "as another text"),
        (valid(more="[GNUPG:] EXPSIG 1 Ana\n"), "for a time that is over"),
        (valid(more="[GNUPG:] EXPKEYSIG 1 Ana\n"), "has run out"),
        (valid(more="[GNUPG:] REVKEYSIG 1 Ana\n"), "was revoked"),
        (valid(more="[GNUPG:] ERRSIG 1 22 8 00 1 9\n"), "not signed by a key"),
        (valid(more="[GNUPG:] SOMETHING NEW\n"), "not signed by a key"),
        (valid(sig=""), "can't be read"),
        (valid(sig="B" * 39), "can't be read"),
        (valid(sig="b" * 40), "can't be read"),
        (valid(algorithm="1"), "an old hash"),
        (valid(algorithm="2"), "an old hash"),
        (valid(kind="01"), "canonical text"),
    ],
)  # fmt: skip
def test_whatever_else_gpg_says_counts_for_nothing(status: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        tag_worker.signer_in(status)
