"""A pipeline's file becomes a CiFile whose stages fit together; what is wrong is said with place and remedy. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mlops_desk.automation.ci.fields import CiFile, CiStageFields
from mlops_desk.automation.records.ci.run import CiPlan, CiStage, CiStageKind
from mlops_desk.kit.base.document.binding import Bound, bind
from mlops_desk.kit.base.document.nodes import Entries, Node, Text, read_document, wrong
from mlops_desk.kit.base.document.schema import schema_of

_IDENTITY = "urn:mlops-desk:pipeline:v1"
_SAID_ONCE = {"name", "needs", "when"}
_KINDS: Mapping[str, frozenset[str]] = {
    "gate": frozenset({"gate", "of"}),
    "register": frozenset({"register", "of", "path"}),
}
"""Kinds of stages that are told by a key of their own, with what may stand beside it; all others are jobs."""
_OTHERS = {"Job": "jobs submit FILE", "Rule": "rules check FILE"}
"""Kinds of documents of this program that a pipeline is confused with, and the verb that takes them."""
_OF_OTHERS = frozenset({"gate", "register", "of", "path"})


def parse_pipeline(text: str) -> CiFile:
    """Read a pipeline's file. Raises Invalid, with line and column of what is wrong, and nothing else."""
    document = read_document(text)
    _check_kind(document)
    bound = bind(document, CiFile)
    names: dict[str, int] = {}
    for index, stage in enumerate(bound.table.stages):
        if stage.name in names:
            line = bound.places[f"stages[{names[stage.name]}].name"].line
            text = f"there is a stage {stage.name} already, in line {line}."
            bound.refuse(f"stages[{index}].name", text, "Give it another name.")
        names[stage.name] = index
    for index, stage in enumerate(bound.table.stages):
        _check_stage(bound, stage, f"stages[{index}]")
        _check_needs(bound, stage, f"stages[{index}]", names)
    _check_order(bound, names)
    return bound.table


def kind_of(stage: CiStageFields) -> CiStageKind:
    """Return what a stage is."""
    if stage.gate is not None:
        return CiStageKind.GATE
    return CiStageKind.JOB if stage.register is None else CiStageKind.REGISTER


def needs_of(stage: CiStageFields) -> tuple[str, ...]:
    """Return the stages that have to pass first: those that it names, and those that it takes something of."""
    of = () if stage.of is None else (stage.of,)
    image = () if stage.image_of is None else (stage.image_of,)
    taken = (given.partition(":")[0] for given in stage.inputs.values())
    return tuple(dict.fromkeys((*stage.needs, *image, *taken, *of)))


def plan_of(file: CiFile) -> CiPlan:
    """Return the stages in an order in which they may run: each behind those that it needs, else as written."""
    left = {stage.name: stage for stage in file.stages}
    found: list[CiStage] = []
    while left:
        first = next(stage for stage in left.values() if not any(name in left for name in needs_of(stage)))
        found.append(CiStage(first.name, kind_of(first), needs_of(first)))
        del left[first.name]
    return CiPlan(file.name, tuple(found))


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON Schema of a pipeline's file."""
    return schema_of(CiFile, _IDENTITY, "MLOps Desk pipeline (mlops-desk/v1)")


def _check_kind(document: Node) -> None:
    """Refuse a document of another kind by its name, before its keys are taken for a pipeline's. Raises Invalid."""
    kind = document.entries.get("kind") if isinstance(document, Entries) else None
    if isinstance(kind, Text) and kind.text in _OTHERS:
        text = f"the file is a {kind.text}, and what stands here is a Pipeline."
        raise wrong(kind.place._replace(field="kind"), text, f"mlops-desk {_OTHERS[kind.text]} takes it.")


def _check_stage(bound: Bound[CiFile], stage: CiStageFields, path: str) -> None:
    given = _given(stage)
    kind = kind_of(stage)
    if kind is not CiStageKind.JOB:
        for name in given:
            if name not in _KINDS[kind]:
                text = f"it says nothing beside {kind.value}, which starts no container."
                bound.refuse(f"{path}.{name}", text, "Take it away, or make a stage of its own of it.")
        if stage.of is None:
            bound.refuse(path, f"of which stage it is to {kind.value} is missing.", "Add a line of: STAGE.")
        _check_limits(bound, stage, path)
        return
    for name in given:
        if name in _OF_OTHERS:
            bound.refuse(f"{path}.{name}", "it goes with gate or register.", "Take it away.")
    images = [name for name in ("image", "build", "imageOf") if name in given]
    if not images:
        hint = "Add a line image: ..., build: {} for the Dockerfile of the repository, or imageOf: STAGE."
        bound.refuse(path, "in which image it runs is missing.", hint)
    if len(images) > 1:
        bound.refuse(f"{path}.{images[1]}", f"there is {images[0]} already.", "Keep one of them.")
    if not stage.command and stage.build is None:
        bound.refuse(path, "what it runs is missing.", "Add a line command: [PROGRAM, ARGUMENT].")
    _check_metrics(bound, stage, path)
    _check_places(bound, stage, path)


def _check_limits(bound: Bound[CiFile], stage: CiStageFields, path: str) -> None:
    for name, limit in (stage.gate or {}).items():
        where = f"{path}.gate.{name}"
        place = where if where in bound.places else f"{path}.gate"
        if limit.at_least is None and limit.at_most is None:
            bound.refuse(place, "what it has to hold is missing.", "Add atLeast: NUMBER or atMost: NUMBER.")
        if limit.at_least is not None and limit.at_most is not None and limit.at_least > limit.at_most:
            bound.refuse(place, "nothing is at least more than it is at most.", "Exchange atLeast and atMost.")


def _check_metrics(bound: Bound[CiFile], stage: CiStageFields, path: str) -> None:
    if stage.metrics is not None and not any(stage.metrics.startswith(f"{one}/") for one in stage.outputs):
        text = "it lies in none of the stage's outputs, so nothing of it would be kept."
        bound.refuse(f"{path}.metrics", text, "Add its folder to outputs, as outputs: [/out].")


def _check_places(bound: Bound[CiFile], stage: CiStageFields, path: str) -> None:
    """Refuse two things at one place of the container."""
    taken = {"/work": "the code"}
    for key, targets in (("inputs", (*stage.inputs,)), ("data", stage.data), ("outputs", stage.outputs)):
        for index, target in enumerate(targets):
            at = f"{path}.{key}[{index}]" if key != "inputs" else f"{path}.inputs.{target}"
            if key != "data" and target.startswith("/work/"):
                place = at if at in bound.places else f"{path}.{key}"
                bound.refuse(place, f"{target} lies in the code, which is only read.", "Use a folder such as /out.")
            if target in taken:
                place = at if at in bound.places else f"{path}.{key}"
                bound.refuse(place, f"{target} is taken by {taken[target]}.", "Use another folder.")
            taken[target] = key


def _check_needs(bound: Bound[CiFile], stage: CiStageFields, path: str, names: Mapping[str, int]) -> None:
    named = [(f"{path}.needs[{index}]", name) for index, name in enumerate(stage.needs)]
    named += [] if stage.image_of is None else [(f"{path}.imageOf", stage.image_of)]
    named += [] if stage.of is None else [(f"{path}.of", stage.of)]
    named += [(f"{path}.inputs", given.partition(":")[0]) for given in stage.inputs.values()]
    for where, name in named:
        if name not in names:
            bound.refuse(where, f"there is no stage {name}.", f"There are: {', '.join(names)}.")
        if name == stage.name:
            bound.refuse(where, f"{name} is this stage itself.", "Name another one.")
    stages = bound.table.stages
    if stage.image_of is not None and stages[names[stage.image_of]].build is None:
        bound.refuse(f"{path}.imageOf", f"{stage.image_of} builds no image.", "Name a stage with build:.")
    if stage.of is not None:
        _check_of(bound, stage, stages[names[stage.of]], path)
    for given in stage.inputs.values():
        other, _, folder = given.partition(":")
        kept = stages[names[other]].outputs
        if (folder and folder not in kept) or (not folder and len(kept) != 1):
            shown = ", ".join(kept) or "none"
            text = f"{given} names no folder that {other} keeps."
            bound.refuse(f"{path}.inputs", text, f"Its outputs: {shown}. Write {other}:/FOLDER.")


def _check_of(bound: Bound[CiFile], stage: CiStageFields, other: CiStageFields, path: str) -> None:
    if kind_of(other) is not CiStageKind.JOB:
        bound.refuse(f"{path}.of", f"{other.name} starts no container.", "Name a stage with a command.")
    if stage.register is not None and other.mlflow is None:
        text = f"{other.name} logs to no run of MLflow, so there is no model of it to register."
        bound.refuse(f"{path}.of", text, f"Add mlflow: {{experiment: NAME}} to {other.name}.")
    if stage.register is not None and other.mlflow is not None and other.mlflow.server is not None:
        text = f"{other.name} logs to another server, and models are registered in the desk's own."
        bound.refuse(f"{path}.of", text, f"Take mlflow.server away from {other.name}.")
    if stage.gate is not None and other.mlflow is None and other.metrics is None:
        text = f"{other.name} tells no metrics."
        bound.refuse(f"{path}.of", text, f"Add metrics: /out/metrics.json or mlflow: to {other.name}.")


def _check_order(bound: Bound[CiFile], names: Mapping[str, int]) -> None:
    """Refuse stages that wait for one another."""
    left = {stage.name: needs_of(stage) for stage in bound.table.stages}
    while left:
        free = [name for name, needs in left.items() if not any(one in left for one in needs)]
        if not free:
            text = f"these wait for one another: {', '.join(left)}."
            bound.refuse(f"stages[{names[next(iter(left))]}]", text, "Take one of their needs away.")
        for name in free:
            del left[name]


def _given(stage: CiStageFields) -> list[str]:
    """Return the keys that a stage says something by."""
    found = []
    for item in msgspec.structs.fields(CiStageFields):
        value = getattr(stage, item.name)
        if item.encode_name not in _SAID_ONCE and value is not None and value not in ((), {}):
            found.append(item.encode_name)
    return found
