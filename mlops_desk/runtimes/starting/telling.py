"""Tells why a job was not started, from what its engine said of it: the first row of the table that fits. Pure."""

import re

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.starting.failures import FAILURES, StartFailure

START_FAILED = "start_failed"
"""The word for every one of them, by which retries may name it as well."""
START_CLASSES = frozenset(failure.class_ for failure in FAILURES)

_EVIDENCE_LIMIT = 1000  # chosen: the engine quotes the runtime, which may quote all of a command
_TAIL = 400  # chosen: what is wrong stands last, behind whatever is quoted
_NAME_LIMIT = 200  # chosen: as long as any name here; a path may have 4,096 characters
_SEARCHED = 1 << 16  # chosen: many times the longest path; an engine may repeat a whole command, of up to 128 KiB
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\x60[^\x60]*\x60', re.DOTALL)
_HANDED_ON = re.compile(
    r"^(?:failed to create task for container: |failed to create shim task: |OCI runtime (?:create|start) failed: "
    r"|(?:runc|crun)(?: create| start)?(?: failed)?: |container create: |fill out specgen: )+"
)
_SAID = tuple(re.compile(failure.said, re.IGNORECASE | re.DOTALL) for failure in FAILURES)
_NAMED = tuple(None if failure.named is None else re.compile(failure.named, re.IGNORECASE) for failure in FAILURES)


def start_failure(said: str, hint: str | None = None) -> Reason:
    """Return why an engine did not start a job; ``said`` is all that it said, ``hint`` what else is known to help."""
    whole = said.strip()
    own = _HANDED_ON.sub("", whole) or whole
    evidence = _quoted(own)
    begin = own[:_SEARCHED]
    for searched in (_QUOTED.sub('""', begin), begin):  # old engines put all that they say in quotes
        for failure, pattern, named in zip(FAILURES, _SAID, _NAMED, strict=True):
            if pattern.search(searched):
                key, name = _name(failure, own, named)
                told = failure.hint if isinstance(failure.hint, Hint) else failure.hint.replace(key, name)
                return Reason(failure.class_, failure.text.replace(key, name), evidence, told, title=failure.title)
    return Reason(START_FAILED, "The engine did not start the job.", evidence, hint, title="Not started by the engine")


def _quoted(own: str) -> str:
    """Quote what an engine said; of what is long both ends."""
    if len(own) <= _EVIDENCE_LIMIT:
        return plain(own, _EVIDENCE_LIMIT)
    return f"{plain(own, _EVIDENCE_LIMIT - _TAIL)} {plain(own[-_TAIL:], _TAIL)}"


def _name(failure: StartFailure, own: str, named: re.Pattern[str] | None) -> tuple[str, str]:
    """Return what is to be replaced and by what; whichever group of the pattern was found names the thing."""
    if named is None:
        return "{}", "{}"
    match = named.search(own)
    found = None if match is None else next((value for value in match.groups() if value), None)
    return f"{{{next(iter(named.groupindex))}}}", plain(found, _NAME_LIMIT) if found else failure.otherwise
