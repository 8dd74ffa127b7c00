"""Whom a worker becomes before it touches files: a user of this machine, with their groups and their home."""

import os
import pwd
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Refused

_KEPT = ("PATH", "LANG", "LANGUAGE", "TZ", "PYTHONDONTWRITEBYTECODE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What a person's process takes over of the agent's environment: nothing that is the agent's own, no secret."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of this machine; ``groups`` are the supplementary ones."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str

    def environment(self) -> dict[str, str]:
        """Return what their process finds in its environment."""
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
        own = {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "PYTHONNOUSERSITE": "1"}
        return {**kept, **own}


def person(uid: int, gid: int | None = None) -> Person:
    """Return the user of a number; one without an account has no groups and no home.

    With ``gid`` that is their group, which must be one of theirs. Raises Refused where this process can't become them.
    """
    if os.geteuid() not in {0, uid}:
        text = f"Only an agent that runs as root can act as uid {uid}; this one runs as uid {os.geteuid()}."
        raise Refused(text, "Ask the person to do it with an agent of their own.")
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        known = Person(uid, uid if gid is None else gid, (), f"uid{uid}", "/")
        own = {known.uid}
    else:
        groups = os.getgrouplist(account.pw_name, account.pw_gid)
        known = Person(uid, account.pw_gid if gid is None else gid, tuple(groups), account.pw_name, account.pw_dir)
        own = {account.pw_gid, *groups}
    if known.gid not in own:
        theirs = ", ".join(map(str, sorted(own)))
        raise Refused(f"{known.name} is not in group {known.gid}.", f"Their groups: {theirs}.")
    return known
