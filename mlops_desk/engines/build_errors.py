"""The cause of an image build that failed, found in what it has written. Pure.

The last lines are the engine's: which step ended with which code. What failed in it stands before, where pip (or
another program) names it, and is repeated by builders that collect the output of a step at its end.
"""

import re

_PREFIX = re.compile(r"^(?:#\d+ )?(?:\d+\.\d+ )?")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE = re.compile(
    r"^\s*(?:×|ERROR\b|error:|fatal:|E: |[A-Za-z_.]*(?:Error|Exception): )"
    r"|No matching distribution|Could not find a version|ResolutionImpossible|conflict(?:s|ing) (?:is|are|with|depend)"
    r"|No space left on device|Killed$|command not found|^\S+: (?:\d+: )?\S+: not found$|: No module named "
    r"|exec format error|executable file not found|Illegal instruction|Segmentation fault"
    r"|Connection refused|Name or service not known"
    r"|Temporary failure in name resolution|certificate verify failed|40[137] (?:Client Error|Unauthorized|Forbidden)"
)
_ENGINES_OWN = re.compile(
    r"failed to solve|did not complete successfully|returned a non-zero code|process \"/bin/sh|^\s*ERROR: process"
)
_NETWORK = re.compile(
    r"Temporary failure in name resolution|Name or service not known|NewConnectionError|Connection refused"
    r"|Network is unreachable|ConnectTimeoutError|No route to host"
)
_PYTHON = re.compile(r"No module named pip\b|python3?: (?:command )?not found|\"?python3\"?: executable file not found")
_MOST = 12  # chosen: what one reads of a failure; pip names a cause in two to four lines


def causes(text: str) -> list[str]:
    """Return the lines that name what failed, in their order, each once; none where nothing is known for an error."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        bare = _COLOUR.sub("", _PREFIX.sub("", line)).strip()
        if bare and _CAUSE.search(bare) and not _ENGINES_OWN.search(bare):
            found[bare] = None
    return list(found)[-_MOST:]


def evidence(text: str, lines: int) -> list[str]:
    """Return what to show of a build's output: its causes, or its last lines where none is found."""
    return causes(text) or [line for line in text.splitlines() if line.strip()][-lines:]


def is_network(text: str) -> bool:
    """Tell whether a build failed because the package index can't be reached."""
    return _NETWORK.search(text) is not None


def lacks_python(text: str) -> bool:
    """Tell whether a build failed because its base has no Python, or one without pip."""
    return _PYTHON.search(text) is not None
