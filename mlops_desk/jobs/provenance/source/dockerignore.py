"""What belongs to the folder of a build: all of it but what .dockerignore leaves out, as Docker reads that. Pure rules.

Unlike git's, a pattern is always meant from the top, ``**`` stands for folders wherever it is, the last line that fits
decides, and ``!`` takes a file back in also from a folder that is left out. A file beside the Dockerfile that is called
after it (``gpu.Dockerfile.dockerignore``) is read instead of .dockerignore. The Dockerfile itself always belongs to it.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence

NAME = ".dockerignore"
_MOST_PATTERNS = 1000  # chosen: more than anybody writes by hand

Fail = Callable[[str, OSError], Exception]
"""Makes the error for a path that can't be read."""


class DockerIgnored:
    """What the lines of a .dockerignore leave out; paths are relative and without ``..``."""

    def __init__(self, lines: Sequence[str]) -> None:
        rules = (_rule(line) for line in lines[:_MOST_PATTERNS])
        self._rules = tuple(rule for rule in rules if rule is not None)
        self._takes_back = any(takes_back for _, takes_back in self._rules)

    def leaves_out(self, path: str) -> bool:
        """Tell whether a path is left out; a pattern that fits a folder fits all below it."""
        parts = path.split("/")
        heads = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        out = False
        for pattern, takes_back in self._rules:
            if out is takes_back and any(pattern.fullmatch(head) for head in heads):
                out = not takes_back
        return out

    def may_skip(self, folder: str) -> bool:
        """Tell whether nothing below a folder can belong to the build, so that it need not be walked."""
        return not self._takes_back and self.leaves_out(folder)


def walk(folder: str, ignored: DockerIgnored, always: Sequence[str], fail: Fail) -> Iterator[str]:
    """Yield the paths of files and links that belong to a build, in any order."""

    def refuse(error: OSError) -> None:
        raise fail(str(error.filename), error)

    for here, folders, names in os.walk(folder, onerror=refuse):
        above = os.path.relpath(here, folder)
        prefix = "" if above == "." else f"{above}/"
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]  # noqa: PTH114, PTH118 - a text: names need not be UTF-8
        folders[:] = sorted(name for name in folders if name not in links and not ignored.may_skip(prefix + name))
        for name in (*names, *links):
            if prefix + name in always or not ignored.leaves_out(prefix + name):
                yield prefix + name


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text[1:].strip() if takes_back else text
    text = posixpath.normpath(text).lstrip("/") if text else ""
    if text in {"", "."}:
        return None
    try:
        return re.compile(_regular(text), re.DOTALL), takes_back
    except re.error:
        return None  # a pattern that is none fits nothing


def _regular(text: str) -> str:
    found, place = "", 0
    while place < len(text):
        sign = text[place]
        if text.startswith("**", place):
            place = len(text) - len(text[place:].lstrip("*"))  # more of them say no more
            if text.startswith("/", place):
                place += 1
                found += "(?:.*/)?"
            else:
                found += ".*"
            continue
        place += 1
        if sign == "*":
            found += "[^/]*"
        elif sign == "?":
            found += "[^/]"
        elif sign == "[" and (end := text.find("]", place + 1)) > 0:
            inside = text[place:end].replace("\\", "\\\\").replace("[", "\\[")
            found += f"(?!/)[{inside}]"
            place = end + 1
        elif sign == "\\" and place < len(text):
            found += re.escape(text[place])
            place += 1
        else:
            found += re.escape(sign)
    return found
