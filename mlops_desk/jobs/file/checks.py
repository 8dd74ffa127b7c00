"""What makes no sense in a job file though each field of it does: told at the field, with what would make sense."""

import difflib
from typing import Any
from urllib.parse import urlsplit

from mlops_desk.base.document.binding import Bound
from mlops_desk.base.document.lengths import written_length
from mlops_desk.base.document.nodes import Entries, Node, wrong
from mlops_desk.jobs.causes.table import CAUSES
from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.jobs.file.sweeps import check_sweep
from mlops_desk.records.jobs.filling import INDEX, is_filled, known_names, names_in
from mlops_desk.records.jobs.spec import JobSpec
from mlops_desk.runtimes.starting.telling import START_CLASSES, START_FAILED

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
        _check_names(bound, f"command[{index}]", text, known)
    for name, text in spec.env.items():
        _check_names(bound, f"env.{name}", text, known)


def _check_names(bound: Bound[JobFile], path: str, text: str, known: frozenset[str]) -> None:
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
