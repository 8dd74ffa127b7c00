"""Asks gpg whether one of a policy's keys made a signature, in a home of its own: nobody's keyring or trust counts.

What gpg says to people is not read, only its status lines (doc/DETAILS of GnuPG): a signature counts if there is one,
and nothing but good is said of it. An old signature of a key that has run out or was revoked since is none: whoever has
the key could have dated it back.
"""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

from mlops_desk.base.errors import Hint, Refused, Unavailable
from mlops_desk.base.process import run_command
from mlops_desk.base.text import plain

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
