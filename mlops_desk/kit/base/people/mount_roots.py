"""Which folders of the host a person's jobs get, as the setting ``jobs.mount_roots`` says: as mounts and as code."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.text import plain

HOME = "~"
"""Among the roots: the home of whose job it is."""
_ROOTS_SHOWN = 300  # chosen: three lines


def check_root(source: str, roots: Sequence[str] | None, uid: int) -> None:
    """Refuse a real path that lies in none of ``roots`` (None: any will do); the roots' own links are resolved."""
    if roots is None:
        return
    home = person(uid).home  # "/" is the home of who has no account, and is nobody's
    folders = [home if root == HOME else root for root in roots if (root, home) != (HOME, "/")]
    if any(Path(source).is_relative_to(os.path.realpath(folder)) for folder in folders):
        return
    shown = plain(", ".join(roots), _ROOTS_SHOWN)
    text = f"{plain(source)} lies in none of the folders that jobs may mount: {shown}."
    raise Refused(text, _hint(source, roots))


def _hint(source: str, roots: Sequence[str]) -> Hint:
    """Return what to paste: the setting with this folder beside the others, where it can be written so at all."""
    before, wanted = "An administrator can name more of them: ", " ".join((*roots, source))
    if len(source.split()) != 1 or plain(wanted, _ROOTS_SHOWN) != wanted:
        return Hint("mlops-desk settings show jobs.mount_roots", before=before)
    return Hint(f"mlops-desk settings set jobs.mount_roots {shlex.quote(wanted)}", before=before)
