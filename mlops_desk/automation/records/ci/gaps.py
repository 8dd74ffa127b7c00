"""What a run's code lacks, in words: what Git LFS or other repositories keep, and nobody has fetched. Pure."""

from dataclasses import dataclass

from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain

_NAMED = 3  # chosen: a line
_PUSHED_FILES = "Of what was pushed nothing is fetched from there: have its jobs read such files by data:."
_PUSHED_MODULES = "Of what was pushed no submodule is fetched: commit what is needed of it, or have it read by data:."


@dataclass(frozen=True, slots=True)
class CodeGap:
    """``text`` says what is not there, ``hint`` what to do before the next run."""

    text: str
    hint: str


def code_gaps(run: CiRun) -> tuple[CodeGap, ...]:
    """Return what the code of a run lacks; of a folder its person can get it."""
    found = []
    if run.pointers:
        files = "a file" if len(run.pointers) == 1 else f"{len(run.pointers)} files"
        text = f"Its jobs find pointers of Git LFS in the place of {files}: {_some(run.pointers)}."
        found.append(CodeGap(text, _PUSHED_FILES if run.origin else Hint("git lfs pull", after=" gets what they are.")))
    if run.submodules:
        modules = "a submodule" if len(run.submodules) == 1 else f"{len(run.submodules)} submodules"
        text = f"Its jobs find nothing in the place of {modules}: {_some(run.submodules)}."
        fetch = Hint("git submodule update --init --recursive", after=" gets them.")
        found.append(CodeGap(text, _PUSHED_MODULES if run.origin else fetch))
    return tuple(found)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(plain(name, 80) for name in names[:_NAMED]) + more
