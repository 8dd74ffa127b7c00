"""The signature of a folder: by ``ssh-keygen``, which every machine has, over the sums of all its files.

What a folder is signed as (a namespace) is part of the signature, so that one of another purpose is not taken for it.
"""

import hashlib
import re
from pathlib import Path

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.kit.base.process import Finished, run_command
from mlops_desk.kit.base.text import plain

SUMS = "SHA256SUMS"
SIGNERS = "allowed_signers"
SIGNATURE = f"{SUMS}.sig"
_WHO = "mlops-desk"
_SECONDS = 30.0  # chosen: a key on a token wants to be touched; one with a password is refused at once
_PIECE = 1 << 20  # chosen: files of gigabytes are read in pieces
_SIGNER = re.compile(r"[\w-]{1,20} namespaces=\"[\w-]{1,60}\" ([\w@.-]{1,80} [A-Za-z0-9+/=]{1,4000})\n?")
_NO_QUESTIONS = {"SSH_ASKPASS_REQUIRE": "never"}


def own_key(folder: Path) -> Path:
    """Return the desk's own key, made at first use. Raises Refused, Unavailable, OSError."""
    key = folder / "export_key"
    if not key.is_file():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        done = _run("-q", "-t", "ed25519", "-N", "", "-C", "MLOps Desk", "-f", str(key))
        _check(done, "The desk's own key can't be made")
    return key


def sign(folder: Path, key: Path, namespace: str) -> str:
    """Write sums, signers and signature of all that is in ``folder``; return the key's fingerprint.

    Raises Invalid (no key), Refused, TimedOut, Unavailable, OSError.
    """
    if not key.is_file():
        raise Invalid(f"There is no key {plain(str(key))}.", Hint("ssh-keygen -t ed25519 -f FILE", before="Make one: "))
    public = _run("-y", "-P", "", "-f", str(key))
    _check(public, f"The key {plain(str(key))} can't be used")
    words = public.output.decode("ascii", "replace").split()[:2]  # without its comment, which may be anything
    signers = folder / SIGNERS
    signers.write_text(f'{_WHO} namespaces="{namespace}" {" ".join(words)}\n')
    write_atomically(folder / SUMS, sums(folder).encode(), 0o644)
    _check(_run("-Y", "sign", "-f", str(key), "-n", namespace, str(folder / SUMS)), "The signature can't be made")
    return _fingerprint(" ".join(words))


def signer_of(sums: bytes, signers: bytes, signature: bytes, namespace: str) -> str | None:
    """Return the fingerprint of the key that signed ``sums``, the one that ``signers`` names; None: it did not.

    All three are from whoever made them: that the key is the right person's is for whoever knows its fingerprint.
    Raises TimedOut, Unavailable, OSError.
    """
    named = _SIGNER.fullmatch(signers.decode("ascii", "replace"))
    if named is None:
        return None
    with scratch("signing") as name:
        folder = Path(name)
        (folder / SIGNERS).write_text(f'{_WHO} namespaces="{namespace}" {named[1]}\n', encoding="ascii")
        (folder / SIGNATURE).write_bytes(signature)
        words = (
            "-Y",
            "verify",
            "-f",
            str(folder / SIGNERS),
            "-I",
            _WHO,
            "-n",
            namespace,
            "-s",
            str(folder / SIGNATURE),
        )
        done = _run(*words, given=sums)
    return None if done.code else _fingerprint(named[1])


def _fingerprint(public: str) -> str:
    shown = _run("-l", "-f", "-", given=public.encode())
    _check(shown, "The key's fingerprint can't be told")
    return plain(shown.output.decode("utf-8", "replace").split()[1])


def sums(folder: Path) -> str:
    """Return the sums of all files below ``folder``, as ``sha256sum -c`` reads them. Raises OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return "".join(f"{_sum(path)}  ./{path.relative_to(folder)}\n" for path in files)


def _sum(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _run(*words: str, given: bytes = b"") -> Finished:
    return run_command(["ssh-keygen", *words], _SECONDS, given=given, environment=_NO_QUESTIONS)


def _check(done: Finished, what: str) -> None:
    if done.code:
        said = plain((done.errors or done.output).decode("utf-8", "replace").strip())
        raise Refused(f"{what}: {said}.", "A key with a password can't be used here: name one without by --key.")
