"""A job file becomes a JobSpec, and a JobSpec a job file; what is wrong is said with place, field and remedy."""

import difflib
from collections.abc import Mapping
from math import prod
from typing import Any
from urllib.parse import urlsplit

from mlops_desk.jobs.failure_causes.table import CAUSES
from mlops_desk.jobs.file.changes import changed
from mlops_desk.jobs.file.conversion import file_of, spec_of
from mlops_desk.jobs.file.fields import MOST_JOBS, JobFile, SpanFields, SweepFields
from mlops_desk.jobs.records.parameter_substitution import INDEX, is_filled, known_names, names_in
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.start_failures import START_CLASSES, START_FAILED
from mlops_desk.kit.base.document.binding import Bound, bind
from mlops_desk.kit.base.document.field_declarations import write_document, written
from mlops_desk.kit.base.document.nodes import Entries, Node, node_of, read_document, wrong
from mlops_desk.kit.base.document.scalar_types import written_length


# What makes no sense in the sweep of a job file, and how many jobs it makes.
def check_sweep(bound: Bound[JobFile]) -> None:
    """Refuse a sweep that contradicts itself or makes too many jobs. Raises Invalid."""
    sweep = bound.table.sweep
    if sweep is None:
        return
    if bound.table.array is not None:
        bound.refuse("sweep", "a job is an array or a sweep, not both.", "Take array away; {index} counts the points.")
    if sweep.grid and sweep.random:
        hint = "Write the lists of grid under random too, where they are drawn from; or take one of them away."
        bound.refuse("sweep.random", "points are all of a grid, or drawn at random, not both.", hint)
    if not sweep.grid and not sweep.random:
        hint = "Add grid: {lr: [0.1, 0.01]}, or random: {lr: {low: 0.001, high: 0.1, log: true}} with samples: 20."
        bound.refuse("sweep", "it says nothing to sweep over.", hint)
    _check_samples(bound, sweep)
    for name, span in sweep.random.items():
        if isinstance(span, SpanFields):
            _check_span(bound, f"sweep.random.{name}", span)
    _check_names(bound, sweep)


def _check_names(bound: Bound[JobFile], sweep: SweepFields) -> None:
    for path in ("sweep.goal", "sweep.stopBelowBest"):
        if sweep.metric is None and path in bound.places:
            bound.refuse(path, "there is no metric that it is about.", "Add metric: ..., as the runs log it.")
    for kind, names in (("grid", sweep.grid), ("random", sweep.random)):
        if INDEX in names:
            bound.refuse(f"sweep.{kind}.{INDEX}", "each job of a sweep has its own index.", "Take another name.")


def _check_samples(bound: Bound[JobFile], sweep: SweepFields) -> None:
    if sweep.random and sweep.samples is None:
        bound.refuse("sweep.random", "how many points are drawn is missing.", "Add samples: 20 to sweep.")
    if sweep.samples is not None and not sweep.random:
        hint = "Take samples away, or write random: instead of grid: to draw so many points of it."
        bound.refuse("sweep.samples", "only of random are points drawn.", hint)
    points = prod(len(values) for values in sweep.grid.values())
    if points > MOST_JOBS:
        hint = "Write random: instead of grid: with samples: 100, or split it."
        bound.refuse("sweep.grid", f"it makes {points} jobs, and a file makes at most {MOST_JOBS}.", hint)


def _check_span(bound: Bound[JobFile], path: str, span: SpanFields) -> None:
    if span.low >= span.high:
        bound.unfit(f"{path}.high", f"{span.high:g}", f"a number above low, which is {span.low:g}")
    if span.log and span.low <= 0:
        bound.unfit(f"{path}.low", f"{span.low:g}", "a number above 0, for there is no logarithm below")
    if span.whole:
        for key, value in (("low", span.low), ("high", span.high)):
            if not value.is_integer():
                bound.unfit(f"{path}.{key}", f"{value:g}", "a whole number, as whole: true says")


# What makes no sense in a job file though each field of it does: told at the field, with what would make sense.
_CLASSES = tuple(
    {cause.class_ for cause in CAUSES} | START_CLASSES | {"exit_nonzero", "time_limit", START_FAILED, "disk_quota"}
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MISTYPED = 0.8  # chosen: a letter or two of ten


def check_file(bound: Bound[JobFile], document: Node) -> None:
    """Refuse what contradicts itself. Raises Invalid."""
    _check_image(bound, document)
    _check_targets(bound)
    _check_resources(bound)
    _check_source(bound)
    _check_server(bound)
    _check_warning(bound)
    _check_dependencies(bound)
    _check_retries(bound)
    _check_network(bound)
    _check_only_built(bound)
    for path in ("ports", "secrets", "outputs", "relax", "resources.gpu_uuids", "mlflow.models"):
        _check_repeated(bound, path)
    if bound.table.sweep is not None:
        check_sweep(bound)


def check_filled(bound: Bound[JobFile], spec: JobSpec) -> None:
    """Refuse names in braces that are no parameters. Raises Invalid."""
    if not is_filled(spec):
        return
    known = known_names(spec)
    for index, text in enumerate(spec.command):
        _check_names_checks(bound, f"command[{index}]", text, known)
    for name, text in spec.env.items():
        _check_names_checks(bound, f"env.{name}", text, known)


def _check_names_checks(bound: Bound[JobFile], path: str, text: str, known: frozenset[str]) -> None:
    for name in names_in(text):
        if name in known:
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1)
        meant = f"Did you mean {{{near[0]}}}? " if near else ""
        stays = f"For braces that stay, write {{{{{name}}}}}."
        bound.refuse(path, f"{{{name}}} is no parameter.", f"{meant}Known: {', '.join(sorted(known))}. {stays}")


def _check_image(bound: Bound[JobFile], document: Node) -> None:
    if bound.table.image is not None or bound.table.build is not None:
        return
    given = document.entries.get("image") if isinstance(document, Entries) else None
    if given is not None:
        raise wrong(
            given.place._replace(field="image"), "image is empty.", "Expected: an image such as registry/name:tag."
        )
    hint = "Add a line image: ... to the file, or build: ... where it is to be built first."
    raise wrong(document.place._replace(field="image"), "image is missing.", hint)


def _check_only_built(bound: Bound[JobFile]) -> None:
    """Refuse what a job whose image is only built would never do. Raises Invalid."""
    build = bound.table.build
    if build is None or not build.only:
        return
    if bound.table.command:
        bound.refuse("command", "nothing runs where build.only is true.", "Leave out one of the two.")
    if bound.table.resources.gpus:
        bound.refuse("resources.gpus", "no GPU is used where build.only is true.", "Leave out one of the two.")


def _check_server(bound: Bound[JobFile]) -> None:
    mlflow = bound.table.mlflow
    if mlflow is None:
        return
    if mlflow.login is not None and mlflow.server is None:
        hint = "Name the server that it is for, or take it away."
        bound.refuse("mlflow.login", "the desk's own server needs no login.", hint)
    if mlflow.server is not None and urlsplit(mlflow.server).hostname in _LOOPBACK:
        text = "in a container this address is the container itself."
        bound.refuse("mlflow.server", text, "Write this machine's name or its address in the network.")


def _check_targets(bound: Bound[JobFile]) -> None:
    taken: set[str] = set()
    for index, mount in enumerate(bound.table.mounts):
        if mount.target in taken:
            bound.unfit(f"mounts[{index}].target", mount.target, "a target that no other mount has")
        taken.add(mount.target)
        if mount.stage and mount.mode == "rw":
            text = "what is staged is a copy, and nobody would see what is written to it."
            bound.refuse(f"mounts[{index}].stage", text, "Take mode: rw or stage: true away.")
    source = bound.table.source
    if source is not None and source.target in taken:
        path = "source.target" if "source.target" in bound.places else "source"
        bound.refuse(path, f"a mount has the target {source.target} too.", "Give one of them another target.")


def _check_resources(bound: Bound[JobFile]) -> None:
    used = bound.table.resources
    named = len(used.gpu_uuids)
    if named and "resources.gpus" in bound.places and used.gpus != named:
        bound.unfit("resources.gpus", str(used.gpus), f"{named}, as many as gpu_uuids names (or leave gpus out)")
    gpus = used.gpus or named
    for field in ("gpu_model", "share"):
        if not gpus and getattr(used, field) is not None:
            bound.refuse(f"resources.{field}", "the job asks for no GPU.", "Add gpus: 1 to resources.")
    if used.share is not None and used.exclusive:
        bound.refuse("resources.share", "an exclusive GPU is not shared.", "Take share or exclusive: true away.")
    if used.exclusive is False and used.share is None:
        hint = "Add share: 8GiB (as much as the job takes of each GPU) to resources."
        bound.refuse("resources.exclusive", "who shares a GPU says how much of its memory it takes.", hint)
    if used.share is not None and used.gpu_memory is not None and used.share > used.gpu_memory:
        hint = "Ask for a gpu_memory of at least the share, or take it away."
        bound.refuse("resources.share", "it is larger than gpu_memory, which the GPU may have.", hint)


def _check_source(bound: Bound[JobFile]) -> None:
    source = bound.table.source
    if source is None:
        return
    if source.folder is not None and source.git is not None:
        bound.refuse("source.git", "the code comes from a folder or from git, not from both.", "Take one of them away.")
    if source.folder is None and source.git is None:
        bound.refuse("source", "where the code comes from is missing.", "Add folder: . or git: https://host/repo.git.")
    if source.ref is not None and source.git is None:
        bound.refuse("source.ref", "a folder has no ref.", "Take ref away, or give git: https://host/repo.git.")


def _check_warning(bound: Bound[JobFile]) -> None:
    file = bound.table
    if file.warning is None:
        return
    if file.time_limit is None:
        if not file.preemptible:
            hint = "Add timeLimit: 90m (or preemptible: true), or take warning away."
            bound.refuse("warning", "there is no time limit to warn of.", hint)
    elif file.warning.before >= file.time_limit:
        path = "warning.before" if "warning.before" in bound.places else "warning"
        before, limit = written_length(file.warning.before), written_length(file.time_limit)
        bound.unfit(path, before, f"a length of time below timeLimit, which is {limit}")


def _check_dependencies(bound: Bound[JobFile]) -> None:
    for key, names in (("after", bound.table.after), ("afterSuccess", bound.table.after_success)):
        for index, name in enumerate(names):
            if name == bound.table.name:
                text = f"{name!r} is this job itself: it would wait for ever."
                bound.refuse(f"{key}[{index}]", text, "Name an earlier job of that name by its id.")


def _check_retries(bound: Bound[JobFile]) -> None:
    """Refuse what is nearly the word of a class; what is like none may be one of a runtime's own."""
    for word in bound.table.retries:
        near = [] if word in _CLASSES else difflib.get_close_matches(word, _CLASSES, n=1, cutoff=_MISTYPED)
        if near:
            bound.refuse(f"retries.{word}", "that is no class of failure.", f"Did you mean {near[0]}?")


def _check_network(bound: Bound[JobFile]) -> None:
    """Refuse what needs a network beside ``network: none``."""
    if bound.table.network is None:
        return
    if bound.table.mlflow is not None:
        hint = "Take network: none away, or mlflow: what the job writes to its outputs is kept anyway."
        bound.refuse("network", "the tracking server is reached over the network.", hint)
    if bound.table.ports:
        bound.refuse("network", "ports are reached over the network.", "Take network: none away, or ports.")


def _check_repeated(bound: Bound[JobFile], path: str) -> None:
    told: Any = bound.table
    for name in path.split("."):
        told = getattr(told, name, None)  # a table that is not there holds nothing
    seen: set[object] = set()
    for index, item in enumerate(told or ()):
        if item in seen:
            bound.refuse(f"{path}[{index}]", f"{item} stands there a second time.", "Keep one of them.")
        seen.add(item)


def check_index(bound: Bound[JobFile]) -> None:
    """Refuse a parameter that has the name of a job's place in its array or sweep. Raises Invalid."""
    file = bound.table
    if INDEX in file.params and (file.array is not None or file.sweep is not None):
        bound.refuse(f"params.{INDEX}", "each job of an array or a sweep has its own index.", "Take another name.")


def parse_spec(text: str, folder: str = "/", changes: Mapping[str, str] | None = None) -> JobSpec:
    """Read a job file; relative paths are taken from ``folder``. Raises Invalid.

    ``changes`` are put in the place of what the file says, by their paths (``resources.gpus``, ``params.lr``).
    """
    return read_spec(changed(read_document(text), changes or {}, JobFile), folder)


def read_spec(document: Node, folder: str = "/") -> JobSpec:
    """Read a document as a job file; relative paths are taken from ``folder``. Raises Invalid."""
    bound = bind(document, JobFile)
    check_file(bound, document)
    check_index(bound)
    spec = spec_of(bound.table, folder)
    check_filled(bound, spec)
    return spec


def change_spec(spec: JobSpec, changes: Mapping[str, str], folder: str = "/") -> JobSpec:
    """Return ``spec`` with some of its fields changed, as the job file writes them. Raises Invalid."""
    if not changes:
        return spec
    # Not by way of its text, which may be longer than a person's file may be.
    return read_spec(changed(node_of(written(file_of(spec))), changes, JobFile), folder)


def checked_spec(spec: JobSpec) -> JobSpec:
    """Return a spec that came from elsewhere as its job file reads: all that a file may not say raises Invalid."""
    return read_spec(node_of(written(file_of(spec))))


def format_spec(spec: JobSpec) -> str:
    """Write ``spec`` as a job file that ``parse_spec`` reads back as the same."""
    return write_document(written(file_of(spec)))
