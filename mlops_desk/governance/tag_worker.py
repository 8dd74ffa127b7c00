"""A worker: whether a tag is signed by one of a policy's keys, and what it points at.

It runs as the agent's own user: whoever asks has no hand in the answer. The tag is fetched into a mirror, nothing is
checked out, and git asks ssh-keygen or gpg alone, by the keys that are handed in, whatever a configuration says. A
signed tag names itself: one that was copied to another name says another in its own text, and is none.

A tag is known again by what was signed. Its object is another as soon as somebody breaks the lines of the signature
anew, which is as good as before: a word that had its effect would count once more.

Asks gpg whether one of a policy's keys made a signature, in a home of its own: nobody's keyring or trust counts.

What gpg says to people is not read, only its status lines (doc/DETAILS of GnuPG): a signature counts if there is one,
and nothing but good is said of it. An old signature of a key that has run out or was revoked since is none: whoever has
the key could have dated it back.
"""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlops_desk.governance.records.signers import Signers, signers_of
from mlops_desk.jobs.provenance.source.git import Git, checked_address, told, without_login
from mlops_desk.jobs.provenance.source.git_fetch import checked_ref, mirror
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import Finished, run_command, serve_one
from mlops_desk.kit.base.text import plain

PROGRAM = "gpg"
_CONFIGURATION = """batch
no-tty
no-autostart
no-auto-key-retrieve
no-auto-key-import
no-auto-check-trustdb
disable-dirmngr
trust-model always
"""
"""A system's own gpg.conf is read before, and may want keys fetched; all keys in this home are the policy's."""
_PREFIX = "[GNUPG:] "
_HARMLESS = {
    "NEWSIG", "KEY_CONSIDERED", "SIG_ID", "GOODSIG", "VALIDSIG", "TRUST_FULLY", "TRUST_ULTIMATE", "TRUST_UNDEFINED",
    "VERIFICATION_COMPLIANCE_MODE", "NOTATION_NAME", "NOTATION_FLAGS", "NOTATION_DATA", "POLICY_URL", "KEYEXPIRED",
    "PROGRESS",
}  # fmt: skip
"""All that gpg says beside a good signature. KEYEXPIRED is of any subkey: of the one that signed it says EXPKEYSIG."""
_ONCE = ("NEWSIG", "GOODSIG", "VALIDSIG")
_WORDS = {
    "REVKEYSIG": "by a key that was revoked", "EXPKEYSIG": "by a key that has run out",
    "EXPSIG": "for a time that is over", "BADSIG": "as another text than it holds", "NO_PUBKEY": "by a stranger's key",
}  # fmt: skip
_HASHES = {"8", "9", "10", "11", "12", "14"}  # rfc9580, section 9.5: SHA-2 and SHA-3, and neither MD5 nor SHA-1
_OF_BYTES = (
    "00"  # rfc9580, section 5.2.1: of a text as it is; of canonical text (01) others can be made that fit as well
)
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}", re.ASCII)
_FIELDS = 10  # doc/DETAILS, VALIDSIG: the tenth is the primary key's fingerprint
_INSTALL = Hint("sudo apt-get install gnupg", after="    or sign tags by an SSH key: git tag -s, with gpg.format ssh.")


def home_of(blocks: tuple[str, ...], home: Path, seconds: float) -> dict[str, str]:
    """Make ``home`` one that has these keys alone, and return what gpg has to find in its environment.

    Raises Refused, where a key can't be read, TimedOut, Unavailable, OSError.
    """
    if shutil.which(PROGRAM) is None:
        text = "The tag is signed by GPG, and there is no gpg on this machine that could tell by whom."
        raise Unavailable(text, _INSTALL)
    home.mkdir(mode=0o700)
    (home / "gpg.conf").write_text(_CONFIGURATION, encoding="ascii")
    environment = {"GNUPGHOME": str(home)}
    for number, block in enumerate(blocks, 1):
        given = block.encode("utf-8", "replace")
        done = run_command([PROGRAM, "--import"], seconds, given=given, environment=environment)
        if done.code:
            said = plain(" ".join(done.errors.decode("utf-8", "replace").split()), 300)
            raise Refused(f"The {number}. GPG key of the policy can't be read: {said}", "Set the policy anew.")
    return environment


def signer_in(status: str) -> tuple[str, str]:
    """Return fingerprint and user id of the primary key that made the one good signature which gpg's status tells of.

    Raises Refused.
    """
    said: dict[str, list[str]] = {}
    for line in status.split("\n"):
        if line.startswith(_PREFIX):
            keyword, _, rest = line.removeprefix(_PREFIX).partition(" ")
            said.setdefault(keyword, []).append(rest)
    for keyword, how in _WORDS.items():
        if keyword in said:
            raise Refused(f"The tag is signed {how}, so its signature counts for nothing.")
    if len(said.get("NEWSIG", ())) > 1:
        raise Refused("The tag holds more than one signature, and which one counts would be anybody's guess.")
    if not said.keys() <= _HARMLESS or any(len(said.get(one, ())) != 1 for one in _ONCE):
        raise Refused("The tag is not signed by a key of the policy.")
    fields = said["VALIDSIG"][0].split()
    if len(fields) != _FIELDS or not all(_FINGERPRINT.fullmatch(one) for one in (fields[0], fields[-1])):
        raise Refused("What gpg says of the tag's signature can't be read, so it counts for nothing.")
    if fields[7] not in _HASHES or fields[8] != _OF_BYTES:
        text = "The tag is signed over a text that could be another one: by an old hash, or as canonical text."
        raise Refused(text, "Sign it without textmode, and with digest-algo SHA256.")
    return fields[-1], unquote(said["GOODSIG"][0].partition(" ")[2])


SECONDS = 60.0  # chosen: one tag and its commit over a slow line, and a signature
_GOOD = re.compile(rb'^Good "git" signature for (\S{1,200}) with \S+ key (SHA256:[A-Za-z0-9+/]{43})$', re.MULTILINE)
"""What ssh-keygen says; nothing that a tag holds stands in the same text."""
_SIGNATURE = re.compile(rb"^-----BEGIN (SSH SIGNATURE|PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----", re.MULTILINE)
"""Where git's gpg-interface.c takes a signature to begin; the text before the last one is what was signed."""
_HEAD = (b"object ", b"type ", b"tag ", b"tagger ")
"""The lines of a tag; others (gpgsig) git leaves out before it looks at the signature, so that they are not signed."""
_HINT = "Sign it by a key of the policy: git tag -s (for an SSH key with format ssh). policies show lists the keys."


def answer(request: dict[str, Any]) -> dict[str, str]:
    """Return ``fingerprint``, ``signer``, the tag's own ``object`` and the sum of what was signed, ``payload``.

    Raises NotFound, Refused, TimedOut, Unavailable.
    """
    repository, tag = checked_address(str(request["repository"])), checked_ref(str(request["tag"]))
    with mirror(repository, SECONDS) as git, scratch("signers") as folder:
        done = git.fetch(repository, f"+refs/tags/{tag}:refs/tags/{tag}", depth=1)
        if done.code:
            why = told(done.errors)
            if "couldn't find remote ref" in why:
                raise NotFound(f"{without_login(repository)} has no tag {plain(tag)}.", "Push it first.")
            raise Unavailable(f"The tag can't be fetched from {without_login(repository)}: {why}")
        return _verified(git, tag, signers_of(str(request["signers"])), Path(folder))


def _verified(git: Git, tag: str, signers: Signers, folder: Path) -> dict[str, str]:
    if signers.trouble is not None:
        raise Refused(f"The keys of the policy can't be read: {signers.trouble}", "Set the policy anew: policies set.")
    found = git.text("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}") or ""
    if git.text("cat-file", "-t", found) != "tag":
        raise Refused(f"The tag {plain(tag)} holds no signature: it is only a name.", _HINT)
    text = git.ask("cat-file", "tag", found).output
    begins = [*_SIGNATURE.finditer(text)]
    head = text.partition(b"\n\n")[0].split(b"\n")
    if len(head) != len(_HEAD) or not all(line.startswith(how) for line, how in zip(head, _HEAD, strict=True)):
        raise Refused(f"The tag {plain(tag)} is none as git makes them: its head says more, or less.", _HINT)
    if f"tag {tag}".encode() not in head:
        raise Refused(f"The tag {plain(tag)} was signed under another name.", _HINT)
    if len(begins) != 1:
        how = "is not signed" if not begins else "holds more than one signature, so none of them counts"
        raise Refused(f"The tag {plain(tag)} {how}.", _HINT)
    verified = _VERIFIED.get(begins[0][1])
    if verified is None:
        raise Refused(f"The tag {plain(tag)} is signed neither by SSH nor by GPG.", _HINT)
    fingerprint, signer = verified(git, found, signers, folder)
    payload = hashlib.sha256(text[: begins[0].start()]).hexdigest()
    return {"fingerprint": fingerprint, "signer": plain(signer), "object": found, "payload": payload}


def _by_ssh(git: Git, found: str, signers: Signers, folder: Path) -> tuple[str, str]:
    allowed = folder / "allowed"
    allowed.write_text("".join(f"{line}\n" for line in signers.ssh), encoding="utf-8")
    checked = _checked(git, found, {}, "gpg.program=false", f"gpg.ssh.allowedSignersFile={allowed}")
    good = _GOOD.findall(checked.errors + b"\n" + checked.output)
    if checked.code or len(good) != 1:
        raise Refused("The tag is not signed by a key of the policy.", _HINT)
    signer, fingerprint = (part.decode("utf-8", "replace") for part in good[0])
    return fingerprint, signer


def _by_gpg(git: Git, found: str, signers: Signers, folder: Path) -> tuple[str, str]:
    if not signers.gpg:
        raise Refused("The tag is not signed by a key of the policy, which has no GPG key.", _HINT)
    home = home_of(signers.gpg, folder / "gnupg", git.left_seconds)
    checked = _checked(git, found, home, f"gpg.program={PROGRAM}", "gpg.ssh.allowedSignersFile=/dev/null")
    signer = signer_in(checked.errors.decode("utf-8", "replace"))
    if checked.code:
        raise Refused("The tag is not signed by a key of the policy.", _HINT)
    return signer


def _checked(git: Git, found: str, environment: dict[str, str], *settings: str) -> Finished:
    """Have git look at a tag's signature, by what the settings name and nothing that a configuration does."""
    fixed = ("gpg.format=ssh", "gpg.ssh.program=ssh-keygen", "gpg.ssh.revocationFile=", "gpg.x509.program=false",
             "gpg.minTrustLevel=undefined", *settings)  # fmt: skip
    words = git.command(*(word for one in fixed for word in ("-c", one)), "verify-tag", "--raw", found)
    return run_command(words, git.left_seconds, name="git", environment={**git.environment(), **environment})


_VERIFIED = {b"SSH SIGNATURE": _by_ssh, b"PGP SIGNATURE": _by_gpg}


if __name__ == "__main__":
    serve_one(answer)
