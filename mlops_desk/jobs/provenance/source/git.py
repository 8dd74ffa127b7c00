"""Git as it is asked here: nothing that a repository says is ever run, and nothing is fetched unasked.

A repository's own configuration can name programs (monitors, hooks, filters, pagers, transports). Only commands that
need none of them are used (no status, no diff in any form, no checkout), and those settings are overridden besides.
"""

import time
from urllib.parse import unquote, urlsplit, urlunsplit

from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.base.process import Finished, run_command
from mlops_desk.kit.base.text import plain

_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "core.pager=cat",
    "core.alternateRefsCommand=false",
    "core.quotePath=false",
    "diff.external=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)
_OVERRIDES = tuple(word for setting in _SETTINGS for word in ("-c", setting))
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_EDITOR": "false",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "LC_ALL": "C",
}
FETCHED_BY = "https:http:ssh:git:file"
"""The transports that a source may name; what runs commands (ext, fd) is none of them."""
_SHOWN = 600  # chosen: git's last lines name the trouble
_LONGEST_REMOTE = 400  # chosen: longer than any address that leads anywhere


class Git:
    """Asks git in ``folder``, all answers together within ``seconds``."""

    def __init__(self, folder: str, seconds: float) -> None:
        self.folder = folder
        self._until = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        return max(0.1, self._until - time.monotonic())

    def command(self, *words: str) -> list[str]:
        """Return the words that run git."""
        return ["git", *_OVERRIDES, "-C", self.folder, *words]

    def environment(self) -> dict[str, str]:
        return dict(_ENVIRONMENT)

    def ask(self, *words: str) -> Finished:
        """Run git to its end. Raises Unavailable, TimedOut."""
        return run_command(self.command(*words), self.left_seconds, name="git", environment=self.environment())

    def text(self, *words: str) -> str | None:
        """Return what git answers in one line; None where it says no."""
        done = self.ask(*words)
        return None if done.code else done.output.decode("utf-8", "surrogateescape").rstrip("\n")

    def names(self, *words: str) -> list[str]:
        """Return what git lists with a NUL after each. Raises Unavailable."""
        done = self.ask(*words)
        if done.code:
            raise Unavailable(f"git could not list the files of the source: {told(done.errors)}")
        return [name.decode("utf-8", "surrogateescape") for name in done.output.split(b"\0") if name]

    def fetch(self, address: str, *refspecs: str, depth: int | None = None) -> Finished:
        """Fetch from ``address``, which may be reached by the network."""
        shallow = () if depth is None else (f"--depth={depth}",)
        words = self.command(
            "fetch", "--no-tags", "--force", "--no-write-fetch-head", *shallow, "--", address, *refspecs
        )
        environment = {**_ENVIRONMENT, "GIT_ALLOW_PROTOCOL": FETCHED_BY, "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
        return run_command(words, self.left_seconds, name="git", environment=environment)


def told(errors: bytes) -> str:
    """Return what git complained about, plain and short."""
    return plain(" ".join(errors.decode("utf-8", "replace").split())[-_SHOWN:], _SHOWN)


def without_login(address: str) -> str:
    """Return a remote's address without user, password and whatever follows a question mark."""
    if "://" not in address:
        return plain(address, _LONGEST_REMOTE)
    try:
        parts = urlsplit(address)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return plain(address.partition("://")[0], _LONGEST_REMOTE) + "://…"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return plain(urlunsplit((parts.scheme, host + port, parts.path, "", "")), _LONGEST_REMOTE)


def checked_address(address: str) -> str:
    """Return an address that may be fetched from. Raises Refused."""
    hint = "Write https://HOST/PATH, ssh://HOST/PATH, git@HOST:PATH, or an absolute path."
    shown = plain(address)
    if not address or address.startswith("-") or any(ord(letter) < 33 for letter in address):
        raise Refused(f"The source {shown!r} is no address of a git repository.", hint)
    scheme, colons, _ = address.partition("://")
    if "::" in scheme.partition("/")[0] or (colons and scheme not in FETCHED_BY.split(":")):
        raise Refused(f"Git is not asked to fetch from {shown!r}: only by {FETCHED_BY.replace(':', ', ')}.", hint)
    if colons:
        try:
            has_password = urlsplit(address).password is not None
        except ValueError as error:
            raise Refused(f"The source {shown!r} is no address of a git repository.", hint) from error
        if has_password:
            text = "The source's address holds a password, which would stand in the job's record for all to read."
            raise Refused(text, "Leave it out and let git's credential helper, or ssh, log in.")
    return address


def local_path(address: str) -> str | None:
    """Return the path that an address names on this machine; None where it names another one."""
    if "://" not in address and ":" not in address.partition("/")[0]:  # what git itself takes for a path
        return address
    return unquote(urlsplit(address).path) if address.startswith("file://") else None
