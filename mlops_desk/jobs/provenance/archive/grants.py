"""What an exported job asks of this machine, and what of it a person grants. Pure.

The file may be a stranger's, so it decides about nothing here: each folder, secret, relaxed point, port, address of
code and the network is named before it is queued, and what was not granted by name is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlops_desk.engines.records.relaxations import OPENS
from mlops_desk.jobs.records.provenance import Requirement, Standing
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.text import plain

_NO_NETWORK = "none"
_NAMED = 600  # chosen: a paragraph, as much as anybody reads
_FOLDER_FIELDS = ("source", "source.folder")
_BUILD_FIELDS = ("build", "build.context")
_GIT_FIELDS = ("source", "source.git")


@dataclass(frozen=True, slots=True)
class Grants:
    """What a person grants: ``data`` is a source for each mount target, ``git`` are addresses that code is read from.

    ``changed`` are the fields that they gave another value: what they say themselves needs no further grant.
    """

    data: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    relax: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    git: frozenset[str] = frozenset()
    network: bool = False


def grants_of(
    changed: Mapping[str, str] | None,
    data: Mapping[str, str] | None,
    secrets: str,
    relax: str,
    ports: str,
    git: str,
    *,
    network: bool,
) -> Grants:
    """Return what a verb was told to grant: words with spaces between them."""
    return Grants(
        data or {},
        changed or {},
        frozenset(secrets.split()),
        frozenset(relax.split()),
        frozenset(ports.split()),
        frozenset(git.split()),
        network=network,
    )


@dataclass(frozen=True, slots=True)
class HostRequest:
    """One thing that a file wants of this machine; ``option`` grants it, None where it is granted."""

    requirement: Requirement
    option: str | None = None


def check_named(first: JobSpec, grants: Grants) -> None:
    """Refuse a grant of what the file does not ask for: a slip of the hand shows before anything runs.

    Raises Invalid.
    """
    git = () if first.source is None or first.source.git is None else (first.source.git,)
    asked = {
        "secret": (grants.secrets, set(_secrets_of(first))),
        "relax": (grants.relax, set(first.relax)),
        "port": (grants.ports, {str(port) for port in first.ports}),
        "git": (grants.git, set(git)),
    }
    for option, (given, known) in asked.items():
        if strange := sorted(given - known):
            names = plain(", ".join(sorted(known)), _NAMED) or "nothing of that kind"
            text = f"The file asks for no --{option} {plain(strange[0])}."
            raise Invalid(text, f"It asks for {names}.")


def granted_part(first: JobSpec, spec: JobSpec, grants: Grants) -> JobSpec:
    """Return ``spec`` without the folders and secrets of the file (``first``) that nobody granted.

    Nothing of this machine is looked at for a stranger's file alone.
    """
    mounts = tuple(mount for mount in spec.mounts if _mount_granted(first, mount, grants))
    secrets = tuple(name for name in spec.secrets if _secret_granted(first, name, grants))
    return replace(spec, mounts=mounts, secrets=secrets)


def asked_of_machine(first: JobSpec, spec: JobSpec, grants: Grants, *, has_code: bool) -> Iterator[HostRequest]:
    """Yield what a job of a file (``first``) wants of this machine. ``has_code``: its code lies in the file."""
    for mount in spec.mounts:
        yield from _of_mount(first, mount, grants)
    for name in _secrets_of(spec):
        if not _secret_granted(first, name, grants):
            text = f"The file asks for your secret {plain(name)}. It is not granted."
            yield _missing("secret", name, text, f"--secret {plain(name)}")
    yield from _of_profile(first, spec, grants)
    yield from _of_code(first, spec, grants, has_code=has_code)
    if spec.network != _NO_NETWORK:
        granted = grants.network or "network" in grants.changed
        yield _named("network", "", "It reaches the network as your own jobs do", "--network", granted=granted)
    if spec.mlflow is not None and spec.mlflow.server is not None:
        text = f"It records its run at {plain(spec.mlflow.server)}."
        yield HostRequest(Requirement("network", plain(spec.mlflow.server), Standing.SAME, text))


def check_granted(file: str, wanted: Sequence[HostRequest]) -> None:
    """Refuse a job of a file that wants what nobody granted. Raises Refused."""
    missing = [one for one in wanted if one.option is not None]
    if not missing:
        return
    names = plain(", ".join(f"{one.requirement.what} {one.requirement.name}".strip() for one in missing), _NAMED)
    options = plain(" ".join(one.option for one in missing if one.option is not None), _NAMED)
    text = f"{plain(file)} asks for what nobody granted: {names}. Nothing was queued."
    raise Refused(text, f"If you trust it with all of that: {options}")


def _of_mount(first: JobSpec, mount: Mount, grants: Grants) -> Iterator[HostRequest]:
    writes = mount.mode != "ro"
    if not _mount_granted(first, mount, grants):
        may = "change" if writes else "read"
        text = f"The file asks to {may} {plain(mount.source)} of this machine, as {plain(mount.target)}. "
        yield _missing("data", mount.target, f"{text}It is not granted.", f"--data {plain(mount.target)}=/PATH")
    elif writes:
        text = f"It may change what is in {plain(mount.source)}, which you grant as {plain(mount.target)}."
        yield HostRequest(Requirement("data", mount.target, Standing.SAME, text))


def _of_profile(first: JobSpec, spec: JobSpec, grants: Grants) -> Iterator[HostRequest]:
    for name in spec.relax:
        granted = name in grants.relax or name not in first.relax
        opens = OPENS.get(name, "this machine knows no such point")
        yield _named("relax", name, f"Its container is less closed: {opens}", f"--relax {plain(name)}", granted=granted)
    for port in spec.ports:
        granted = str(port) in grants.ports or port not in first.ports
        text = f"Port {port} of its container is opened on this machine, for this machine alone"
        yield _named("port", str(port), text, f"--port {port}", granted=granted)


def _of_code(first: JobSpec, spec: JobSpec, grants: Grants, *, has_code: bool) -> Iterator[HostRequest]:
    source = spec.source
    if source is not None and source.git is not None and not (has_code and source == first.source):
        granted = source.git in grants.git or _said(_GIT_FIELDS, grants)
        text = f"Its code is fetched from {plain(source.git)}, with your access"
        yield _named("git", source.git, text, f"--git {plain(source.git)}", granted=granted)
    if source is not None and source.folder is not None and not (has_code and source == first.source):
        text = f"The file has no code, so {plain(source.folder)} of this machine is read for it"
        granted = _said(_FOLDER_FIELDS, grants)
        yield _named("code", source.folder, text, "--set source.folder=/PATH", granted=granted)
    if spec.build is not None:
        text = f"Its image is built of {plain(spec.build.context)} of this machine"
        granted = _said(_BUILD_FIELDS, grants)
        yield _named("build", spec.build.context, text, "--set build.context=/PATH", granted=granted)


def _said(fields: tuple[str, ...], grants: Grants) -> bool:
    return any(name in grants.changed for name in fields)


def _mount_granted(first: JobSpec, mount: Mount, grants: Grants) -> bool:
    """Tell whether a person named the source of a mount, and not the file alone."""
    of_the_file = {(one.source, one.target) for one in first.mounts}
    return mount.target in grants.data or (mount.source, mount.target) not in of_the_file


def _secret_granted(first: JobSpec, name: str, grants: Grants) -> bool:
    return name in grants.secrets or name not in _secrets_of(first)


def _secrets_of(spec: JobSpec) -> tuple[str, ...]:
    login = () if spec.mlflow is None or spec.mlflow.login is None else (spec.mlflow.login,)
    return tuple(dict.fromkeys((*spec.secrets, *login)))


def _named(what: str, name: str, text: str, option: str, *, granted: bool) -> HostRequest:
    if not granted:
        return _missing(what, name, f"{text}. It is not granted.", option)
    return HostRequest(Requirement(what, plain(name), Standing.SAME, f"{text}. You grant it."))


def _missing(what: str, name: str, text: str, option: str) -> HostRequest:
    requirement = Requirement(what, plain(name), Standing.MISSING, text, f"If you trust the file with it: {option}")
    return HostRequest(requirement, option)
