"""A worker: whether a tag is signed by one of a policy's keys, and what it points at.

It runs as the agent's own user: whoever asks has no hand in the answer. The tag is fetched into a mirror, nothing is
checked out, and git asks ssh-keygen or gpg alone, by the keys that are handed in, whatever a configuration says. A
signed tag names itself: one that was copied to another name says another in its own text, and is none.

A tag is known again by what was signed. Its object is another as soon as somebody breaks the lines of the signature
anew, which is as good as before: a word that had its effect would count once more.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from mlops_desk.base.disk.scratch import scratch
from mlops_desk.base.errors import NotFound, Refused, Unavailable
from mlops_desk.base.process import Finished, run_command, serve_one
from mlops_desk.base.text import plain
from mlops_desk.desk.governance import gpg
from mlops_desk.jobs.capsule.source.fetching import checked_ref, mirror
from mlops_desk.jobs.capsule.source.git import Git, checked_address, told, without_login
from mlops_desk.records.governance.signers import Signers, signers_of

SECONDS = 60.0  # chosen: one tag and its commit over a slow line, and a signature
_GOOD = re.compile(rb'^Good "git" signature for (\S{1,200}) with \S+ key (SHA256:[A-Za-z0-9+/]{43})$', re.MULTILINE)
"""What ssh-keygen says; nothing that a tag holds stands in the same text."""
_SIGNATURE = re.compile(rb"^-----BEGIN (SSH SIGNATURE|PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----", re.MULTILINE)
"""Where git's gpg-interface.c takes a signature to begin; the text before the last one is what was signed."""
_HEAD = (b"object ", b"type ", b"tag ", b"tagger ")
"""The lines of a tag; others (gpgsig) git leaves out before it looks at the signature, so that they are not signed."""
_HINT = "Sign it by a key of the policy: git tag -s (for an SSH key with gpg.format ssh). policies show lists the keys."


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
    home = gpg.home_of(signers.gpg, folder / "gnupg", git.left_seconds)
    checked = _checked(git, found, home, f"gpg.program={gpg.PROGRAM}", "gpg.ssh.allowedSignersFile=/dev/null")
    signer = gpg.signer_in(checked.errors.decode("utf-8", "replace"))
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
