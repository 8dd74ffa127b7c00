"""A job's way out: proxy, certificates, index and wheels, as its container is to have them. No login is in any of it.

A setting that does not hold any more (certificates that were moved, a share that is gone) keeps jobs waiting instead of
letting them fail one after the other.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.base.errors import DeskError, Hint, Invalid
from mlops_desk.base.network import certificates
from mlops_desk.base.network.addresses import host_of
from mlops_desk.base.network.rules import NetworkRules
from mlops_desk.base.network.ways import job_environment
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.spec import JobSpec, Mount
from mlops_desk.runtimes.local.folder import IN_TARGET
from mlops_desk.runtimes.runtime import Obstructed, RunTicket

CERTIFICATES = "ca.pem"
"""The file of certificates, beside the wrapper."""
WHEELS_TARGET = "/mlops-desk/wheels"


@dataclass(frozen=True, slots=True)
class WayOut:
    """``environment`` gives way to the job's own; ``certificates`` is what is to lie beside the wrapper."""

    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    certificates: bytes | None = None


def way_out(spec: JobSpec, rules: NetworkRules, ticket: RunTicket | None, bridge: Callable[[], str]) -> WayOut:
    """Return what a job gets; ``bridge`` tells where containers reach this machine. Raises Obstructed."""
    try:
        trusted = certificates.with_usual(certificates.read_bundle(rules.ca_bundle)) if rules.ca_bundle else None
    except (Invalid, OSError) as error:
        raise _obstructed("network.ca_bundle", error) from error
    wheels = _wheels(rules)
    local = [] if ticket is None else [host_of(ticket.tracking_uri)]
    if rules.has_proxy:
        local.append(bridge())
    environment = job_environment(
        rules,
        spec.env,
        local=local,
        certificates=None if trusted is None else f"{IN_TARGET}/{CERTIFICATES}",
        wheels=None if wheels is None else wheels.target,
    )
    return WayOut(environment, () if wheels is None else (wheels,), trusted)


def _wheels(rules: NetworkRules) -> Mount | None:
    if not rules.wheelhouse:
        return None
    folder = Path(rules.wheelhouse).expanduser()
    if not folder.is_dir():
        raise _obstructed("network.wheels", Invalid(f"There is no folder {folder}."))
    return Mount(os.path.realpath(folder), WHEELS_TARGET, "ro")


def _obstructed(key: str, error: DeskError | OSError) -> Obstructed:
    said = error.message if isinstance(error, DeskError) else str(error.strerror)
    hint = Hint(f"mlops-desk settings set {key} ''", before="Put it back, or go without: ")
    return Obstructed(Reason("network_settings", "The job waits: a setting of the network does not hold.", said, hint))
