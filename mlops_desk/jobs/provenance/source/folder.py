"""The files of a folder, as its snapshot holds them: read without following what could be exchanged meanwhile."""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlops_desk.jobs.provenance.source import checkout, dockerignore
from mlops_desk.jobs.provenance.source.git import Git
from mlops_desk.jobs.provenance.source.snapshot_stream import FileEntry, Limits, LinkEntry, leads_inside
from mlops_desk.kit.base.disk.files import NotPlainError, open_plain, plain_descriptor
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain, size_text

# What ``.mldignore`` leaves out of a snapshot: patterns as in ``.gitignore``. Pure.
# The last pattern that fits decides, ``!`` takes back in, and nothing is taken back out of a folder that is left out.
NAME = ".mldignore"
ALWAYS = (".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints")
"""Never code: what version control keeps of it, and what Python and notebooks make of it."""
_SPECIAL = frozenset("*?[\\")
_MOST_PATTERNS = 1000  # chosen: more than anybody writes by hand


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    takes_back: bool
    only_folders: bool


class Ignored:
    """What the lines of a file leave out; paths are relative and without ``..``."""

    def __init__(self, lines: Sequence[str]) -> None:
        rules = (_rule(line) for line in (*ALWAYS, *lines[:_MOST_PATTERNS]))
        self._rules = tuple(rule for rule in rules if rule is not None)
        self._folder = lru_cache(maxsize=None)(self._leaves_out_folder)

    def leaves_out(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether a file or folder is left out, by itself or with a folder above it."""
        above = path.rpartition("/")[0]
        return bool(above and self._folder(above)) or self._says(path, is_folder=is_folder)

    def _leaves_out_folder(self, path: str) -> bool:
        return self.leaves_out(path, is_folder=True)

    def _says(self, path: str, *, is_folder: bool) -> bool:
        for rule in reversed(self._rules):
            if (is_folder or not rule.only_folders) and rule.pattern.fullmatch(path):
                return not rule.takes_back
        return False


def _rule(line: str) -> _Rule | None:
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text[1:] if takes_back else text
    only_folders = text.endswith("/")
    text = text[:-1] if only_folders else text
    anchored = "/" in text
    text = text.removeprefix("/")
    if not text:
        return None
    source = _regular(text, anchored=anchored)
    source = source if anchored else f"(?:.*/)?{source}"
    try:
        return _Rule(re.compile(source, re.DOTALL), takes_back, only_folders)
    except re.error:
        return None  # as git has it: a pattern that is none fits nothing


def _regular(text: str, *, anchored: bool) -> str:
    found, place = [], 0
    while place < len(text):
        rest = text[place:]
        if rest[0] == "*":
            stars = len(rest) - len(rest.lstrip("*"))
            source, taken = _stars(text, place, stars) if anchored else ("[^/]*", stars)
            found.append(source)
            place += taken
        elif rest[0] == "?":
            found.append("[^/]")
            place += 1
        elif rest[0] == "[" and (end := _end_of_set(rest)):
            found.append(_set(rest[1:end]))
            place += end + 1
        else:
            escaped = rest[0] == "\\" and len(rest) > 1
            found.append(re.escape(rest[1] if escaped else rest[0]))
            place += 2 if escaped else 1
    return "".join(found)


def _stars(text: str, place: int, stars: int) -> tuple[str, int]:
    """Return what a run of stars fits, and how much of the text it takes.

    Two and more cross folders between slashes; and, as git has it, also as the first wildcards of a pattern: what
    stands before those it compares by itself.
    """
    begins = place == 0 or text[place - 1] == "/" or _SPECIAL.isdisjoint(text[:place])
    if stars > 1 and begins and text[place + stars : place + stars + 1] == "/":
        return "(?:.*/)?", stars + 1
    if stars > 1 and begins and place and place + stars == len(text):
        return ".+" if text[place - 1] == "/" else ".*", stars
    return "[^/]*", stars


def _end_of_set(text: str) -> int:
    """Return where the set that begins ``text`` ends; 0 where it does not."""
    begin = 2 if text[1:2] in {"!", "^"} else 1
    return max(0, text.find("]", begin + 1))


def _set(inside: str) -> str:
    negated = inside[0] in "!^"
    body = (inside[1:] if negated else inside).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    body = body.replace("&&", "&\\&").replace("~~", "~\\~").replace("||", "|\\|").replace("^", "\\^")
    return f"(?!/)[{'^' if negated else ''}{body}]"


_IGNORE_LIMIT_BYTES = 64 << 10  # chosen: as much as a job file may have
_LARGEST_NAMED = 3  # chosen: as many as stand in one line
_LEFT_OUT = f"Name it in {NAME}, or mount it instead."
_MARKERS = (frozenset({"agent.lock", "state.db"}), frozenset({"agent.lock", "settings.json"}))
"""A folder that holds all of one of these is some agent's, with its tokens."""


def real_folder(path: str, private: Iterable[str]) -> str:
    """Return where a source's folder really is. Raises NotFound, Invalid, Refused."""
    folder = os.path.realpath(path)
    try:
        mode = os.stat(folder).st_mode  # noqa: PTH116 - a text, as all paths here: names need not be UTF-8
    except OSError as error:
        raise NotFound(
            f"The source folder {plain(path)} can't be read: {error.strerror}.", "Check its path."
        ) from error
    if not stat.S_ISDIR(mode):
        raise Invalid(f"The source {plain(path)} is no folder.", "Name the folder that holds the code.")
    for one in private:
        if _is_below(folder, os.path.realpath(one)):
            raise Refused(f"The source {plain(path)} lies in MLOps Desk's own data.", "Name the folder of your code.")
    return folder


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def listing(folder: str, git: Git | None, depth: int = 0, reports: Collection[str] = frozenset()) -> checkout.CodeFiles:
    """Return the paths of what belongs to the snapshot, in order; ``git`` where the folder is in a checkout.

    Of ``reports``, which a run of the desk wrote there, those that git does not track are no code.
    """
    ignored = Ignored(_lines(folder))
    if git is None:
        return checkout.CodeFiles(tuple(sorted(_walk(folder, ignored))))
    found, files = checkout.listed(git), []
    own = set(reports).intersection(found.untracked)
    for path in found.files:
        if path in own or ignored.leaves_out(path.rstrip("/")):
            continue
        inner = os.path.join(folder, path)  # noqa: PTH118 - as above
        if os.path.isdir(inner) and not os.path.islink(inner):  # noqa: PTH112, PTH114 - as above
            files += [f"{path.rstrip('/')}/{name}" for name in _inner(inner, git, depth)]
        else:
            files.append(path)
    there = [path for path in dict.fromkeys(files) if os.path.lexists(os.path.join(folder, path))]  # noqa: PTH118 - as above
    loose = tuple(path for path in found.untracked if path not in own and not ignored.leaves_out(path.rstrip("/")))
    return checkout.CodeFiles(tuple(sorted(there)), found.tracked, loose, ignored.leaves_out)


def _inner(folder: str, git: Git, depth: int) -> tuple[str, ...]:
    """Return the files of a checkout within a checkout: a submodule, or a clone that nobody added."""
    if depth >= checkout.DEEPEST:
        raise Refused(f"The checkouts in {plain(folder)} are nested too deep.", _LEFT_OUT)
    inner = Git(folder, git.left_seconds)
    return listing(folder, inner if checkout.is_own_checkout(inner) else None, depth + 1).files


def context_listing(folder: str, dockerfile: str) -> checkout.CodeFiles:
    """Return the paths of what belongs to the folder of a build, in order."""
    own = f"{dockerfile}.{dockerignore.NAME.removeprefix('.')}"
    there = os.path.lexists(os.path.join(folder, own))  # noqa: PTH118 - as above
    name = own if there else dockerignore.NAME
    ignored = dockerignore.DockerIgnored(_lines(folder, name))
    always = (os.path.normpath(dockerfile), name)
    return checkout.CodeFiles(tuple(sorted(dockerignore.walk(folder, ignored, always, _unreadable))))


def _lines(folder: str, name: str = NAME) -> list[str]:
    try:
        opened = open_plain(os.path.join(folder, name))  # noqa: PTH118 - as above
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Invalid(f"{name} can't be read: {error.strerror}.", "It has to be a plain file.") from error
    with opened as file:
        return file.read(_IGNORE_LIMIT_BYTES).decode("utf-8", "surrogateescape").splitlines()


def _walk(folder: str, ignored: Ignored) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise _unreadable(str(error.filename), error)

    for here, folders, names in os.walk(folder, onerror=fail):
        above = os.path.relpath(here, folder)
        prefix = "" if above == "." else f"{above}/"
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]  # noqa: PTH114, PTH118 - as above
        folders[:] = sorted(
            name for name in folders if name not in links and not ignored.leaves_out(prefix + name, is_folder=True)
        )
        yield from (prefix + name for name in (*names, *links) if not ignored.leaves_out(prefix + name))


def examined(folder: str, paths: Iterable[str], private: Iterable[str], limits: Limits) -> list[FileEntry | LinkEntry]:
    """Look at each path and return what it is. Raises Refused for what no snapshot holds, or holds no more of."""
    entries: list[FileEntry | LinkEntry] = []
    ours = [os.path.realpath(one) for one in private]
    beside: dict[str, set[str]] = {}
    for path in paths:
        where, _, name = path.rpartition("/")
        beside.setdefault(where, set()).add(name)
        whole = os.path.join(folder, path)  # noqa: PTH118 - as above
        if any(_is_below(whole, one) for one in ours) or any(marker <= beside[where] for marker in _MARKERS):
            raise Refused(f"The source {plain(folder)} holds MLOps Desk's own data ({plain(path)}).", _LEFT_OUT)
        entries.append(_examined(folder, path))
    _check_size(folder, entries, limits)
    return entries


def _examined(folder: str, path: str) -> FileEntry | LinkEntry:
    whole = os.path.join(folder, path)  # noqa: PTH118 - as above
    try:
        facts = os.lstat(whole)
        if stat.S_ISLNK(facts.st_mode):
            return _link(folder, path, os.readlink(whole))  # noqa: PTH115 - as above
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(facts.st_mode):
        raise Refused(f"{plain(path)} in the source is no file, and can't be kept.", _LEFT_OUT)
    return FileEntry(path, facts.st_size, bool(facts.st_mode & stat.S_IXUSR))


def _link(folder: str, path: str, target: str) -> LinkEntry:
    real = os.path.realpath(os.path.join(folder, path))  # noqa: PTH118 - as above
    if not leads_inside(path, target) or not _is_below(real, folder):
        text = f"The link {plain(path)} in the source leads out of it, to {plain(target)}."
        raise Refused(text, f"What it leads to would not be in the snapshot. {_LEFT_OUT}")
    return LinkEntry(path, target)


def _check_size(folder: str, entries: list[FileEntry | LinkEntry], limits: Limits) -> None:
    sizes: Counter[str] = Counter()
    for entry in entries:
        if isinstance(entry, FileEntry):
            sizes[entry.path.split("/", 1)[0]] += entry.size_bytes
    total = sum(sizes.values())
    if total <= limits.size_bytes and len(entries) <= limits.files:
        return
    largest = ", ".join(f"{plain(name)} {size_text(size)}" for name, size in sizes.most_common(_LARGEST_NAMED))
    text = (
        f"The source {plain(folder)} has {len(entries):,} files of {size_text(total)} in all; a snapshot holds at most "
        f"{limits.files:,} of {size_text(limits.size_bytes)}. The largest: {largest}."
    )
    settings = Hint("mlops-desk settings set jobs.source_mebibytes MIB", before=f"{_LEFT_OUT} Or allow more: ")
    raise Refused(text, settings)


def content(folder: str, entry: FileEntry) -> bytes:
    """Return a file's bytes, which are as many as it was seen to have. Raises Unavailable, Refused."""
    descriptor = open_beneath(folder, entry.path)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        data = file.read(entry.size_bytes + 1)
        after = os.fstat(descriptor)
    if len(data) != entry.size_bytes or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        text = f"{plain(entry.path)} in the source was written to while it was read."
        raise Unavailable(text, f"Submit the job again when nothing writes there. {_LEFT_OUT}")
    return data


def open_beneath(folder: str, path: str, opened: Callable[..., int] = os.open) -> int:
    """Open a plain file below ``folder`` for reading; no link is followed on the way. Raises DeskErrors."""
    *folders, name = path.split("/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = -1
    try:
        here = opened(folder, flags | os.O_DIRECTORY)
        for one in folders:
            deeper = opened(one, flags | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = deeper
        return plain_descriptor(name, folder=here, opened=opened)
    except NotPlainError as error:
        raise Refused(f"{plain(path)} is no plain file.", f"It may have been replaced. {_LEFT_OUT}") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        if here >= 0:
            os.close(here)


def _unreadable(path: str, error: OSError) -> DeskError:
    text = f"{plain(path)} in the source can't be read: {error.strerror}."
    return Refused(text, f"You have to be able to read what you submit. {_LEFT_OUT}")


def git_beside(folder: str, seconds: float) -> Git | None:
    """Return git for a folder in a checkout that it trusts; None without one, or without git."""
    git = Git(folder, seconds)
    try:
        return (
            git
            if any((place / ".git").exists() for place in (Path(folder), *Path(folder).parents))
            and (checkout.is_checkout(git))
            else None
        )
    except TimedOut:
        raise  # it is no answer that there is none
    except Unavailable:
        return None  # no git here: a folder is a folder
