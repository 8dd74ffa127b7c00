"""A few fields of a job changed, in the job file's own words: ``resources.gpus=2``, ``mounts[0].source=/new``.

The spec is written as a job file, its field exchanged there, and read again: what fits a field is thus said in one
place, and a value means what it means in the file (``0.10`` stays ``0.10``, ``[a, b]`` is a list).
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import yaml

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.file.document import read_document
from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.records.jobs.spec import JobSpec

_STEP = re.compile(r"([^.\[\]]+)((?:\[[0-9]{1,3}\])*)")
_HINT = "Write it as in the job file: --set resources.gpus=2 --set params.lr=0.1; null takes a field away."
_FIXED = frozenset({"apiVersion", "kind"})
_SHOWN = 80  # chosen: most of a line
_DEEPEST = 8  # chosen: as deep as a job file may be
_LONGEST = 1000  # chosen: many times the longest path

Step = str | int


def changed_spec(spec: JobSpec, changed: Mapping[str, str]) -> JobSpec:
    """Return ``spec`` with fields (path: value as in YAML) exchanged. Raises Invalid."""
    if not changed:
        return spec
    root: Any = yaml.compose(format_spec(spec), Loader=yaml.SafeLoader)
    for path, value in changed.items():
        _put(root, path, _value(path, value))
    text = yaml.serialize(root, allow_unicode=True, width=float("inf"))
    try:
        return parse_spec(text)
    except Invalid as error:
        told = error.message if error.place is None else error.message.partition(": ")[2]
        raise Invalid(f"The job can't be changed so: {told}", error.hint) from error


def steps_of(path: str) -> list[Step]:
    """Read ``mounts[0].source`` as its steps. Raises Invalid."""
    steps: list[Step] = []
    for part in path[: _LONGEST + 1].split("."):
        match = _STEP.fullmatch(part)
        if match is None or len(path) > _LONGEST:
            raise Invalid(f"{plain(path, _SHOWN)!r} names no field of a job.", _HINT)
        steps += [match[1], *(int(number) for number in re.findall("[0-9]+", match[2]))]
    if len(steps) > _DEEPEST or steps[0] in _FIXED:
        raise Invalid(f"{plain(path, _SHOWN)!r} names no field that can be changed.", _HINT)
    return steps


def _value(path: str, text: str) -> yaml.Node | None:
    """Return what stands for a value, None for one that is to go."""
    try:
        read_document(f"x: {text}")
        found = yaml.compose(text, Loader=yaml.SafeLoader)
    except (Invalid, yaml.YAMLError) as error:
        shown = f"{plain(path, _SHOWN)}={plain(text, _SHOWN)}"
        raise Invalid(f"The value in {shown} can't be read.", _HINT) from error
    is_null = isinstance(found, yaml.ScalarNode) and found.tag == "tag:yaml.org,2002:null"
    return None if is_null else found


def _put(root: yaml.Node, path: str, value: yaml.Node | None) -> None:
    steps = steps_of(path)
    here, last = root, steps[-1]
    for step, following in itertools.pairwise(steps):
        here = _down(here, step, following, path)
    if isinstance(last, int):
        if not isinstance(here, yaml.SequenceNode) or last >= len(here.value):
            raise _no_item(path)
        here.value[last : last + 1] = [] if value is None else [value]
        return
    if not isinstance(here, yaml.MappingNode):
        raise _no_item(path)
    known = [pair for pair in here.value if pair[0].value == last]
    if value is None:
        here.value[:] = [pair for pair in here.value if pair not in known]
    elif known:
        place = here.value.index(known[0])
        here.value[place] = (known[0][0], value)
    else:
        here.value.append((_text(last), value))


def _down(here: yaml.Node, step: Step, following: Step, path: str) -> yaml.Node:
    """Go one step down, making the table that is not written because all of it is at its defaults."""
    if isinstance(step, int):
        if not isinstance(here, yaml.SequenceNode) or step >= len(here.value):
            raise _no_item(path)
        found: yaml.Node = here.value[step]
        return found
    if not isinstance(here, yaml.MappingNode):
        raise _no_item(path)
    for key, value in here.value:
        if key.value == step:
            inner: yaml.Node = value
            return inner
    if isinstance(following, int):
        raise _no_item(path)
    made = yaml.MappingNode("tag:yaml.org,2002:map", [])
    here.value.append((_text(step), made))
    return made


def _text(value: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", value)


def _no_item(path: str) -> Invalid:
    return Invalid(f"The job has nothing at {plain(path, _SHOWN)!r}.", _HINT)
