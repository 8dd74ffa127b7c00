"""A worker: whether a tag is signed by one of a policy's keys, and what it points at.

It runs as the agent's own user: whoever asks has no hand in the answer. The tag is fetched into a mirror, nothing is
checked out, and git asks ssh-keygen alone, by the keys that are handed in, whatever a configuration says. A signed tag
names itself: one that was copied to another name says another in its own text, and is none.
"""

import re
from pathlib import Path
from typing import Any

from mlops_desk.base.disk.scratch import scratch
from mlops_desk.base.errors import NotFound, Refused, Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.jobs.capsule.source.fetching import checked_ref, mirror
from mlops_desk.jobs.capsule.source.git import Git, checked_address, told, without_login

SECONDS = 60.0  # chosen: one tag and its commit over a slow line, and a signature
_GOOD = re.compile(rb'^Good "git" signature for (\S{1,200}) with \S+ key (SHA256:[A-Za-z0-9+/]{43})$', re.MULTILINE)
"""What ssh-keygen says; nothing that a tag holds stands in the same text."""
_HINT = "Sign it by a key of the policy: git tag -s, with gpg.format ssh. policies show lists the keys."


def answer(request: dict[str, Any]) -> dict[str, str]:
    """Return ``fingerprint``, ``signer`` and the tag's own ``object``. Raises NotFound, Refused, Unavailable."""
    repository, tag = checked_address(str(request["repository"])), checked_ref(str(request["tag"]))
    with mirror(repository, SECONDS) as git, scratch("signers") as folder:
        done = git.fetch(repository, f"+refs/tags/{tag}:refs/tags/{tag}", depth=1)
        if done.code:
            why = told(done.errors)
            if "couldn't find remote ref" in why:
                raise NotFound(f"{without_login(repository)} has no tag {plain(tag)}.", "Push it first.")
            raise Unavailable(f"The tag can't be fetched from {without_login(repository)}: {why}")
        signers = Path(folder) / "allowed"
        signers.write_text(str(request["signers"]), encoding="utf-8")
        return _verified(git, tag, signers)


def _verified(git: Git, tag: str, signers: Path) -> dict[str, str]:
    found = git.text("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}") or ""
    if git.text("cat-file", "-t", found) != "tag":
        raise Refused(f"The tag {plain(tag)} holds no signature: it is only a name.", _HINT)
    head = git.ask("cat-file", "tag", found).output.partition(b"\n\n")[0].splitlines()
    if f"tag {tag}".encode() not in head:
        raise Refused(f"The tag {plain(tag)} was signed under another name.", _HINT)
    checked = git.ask(
        "-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}", "-c", "gpg.ssh.program=ssh-keygen",
        "-c", "gpg.ssh.revocationFile=", "-c", "gpg.program=false", "-c", "gpg.x509.program=false",
        "verify-tag", "--raw", found,
    )  # fmt: skip
    good = _GOOD.findall(checked.errors + b"\n" + checked.output)
    if checked.code or len(good) != 1:
        raise Refused(f"The tag {plain(tag)} is not signed by a key of the policy.", _HINT)
    signer, fingerprint = (part.decode("utf-8", "replace") for part in good[0])
    return {"fingerprint": fingerprint, "signer": plain(signer), "object": found}


if __name__ == "__main__":
    serve_one(answer)
