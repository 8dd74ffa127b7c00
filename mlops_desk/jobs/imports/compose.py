"""A Compose file: each of its services becomes a job file.

``${NAME:-default}`` becomes its default; ``${NAME}`` alone is noted, for what it stands for is in the person's shell.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_desk.base.document.nodes import read_document, values_of
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.imports.compose_keys import KEYS, shown
from mlops_desk.jobs.imports.draft import JobDraft
from mlops_desk.records.jobs.imported import ImportedJob

DEPTH = 12  # chosen: what a service reserves of devices lies nine deep
_MOST_SERVICES = 100  # chosen: far more than one machine runs
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([^{}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")


def is_compose(document: object) -> bool:
    """Tell whether a document looks like a Compose file."""
    return isinstance(document, Mapping) and "services" in document


def read_compose(text: str, folder: str, home: str) -> tuple[ImportedJob, ...]:
    """Make a job file of each service, those first that others wait for. Raises Invalid."""
    document = values_of(read_document(text, DEPTH))
    services = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(services, Mapping) or not services:
        raise Invalid("This Compose file has no services.", "Give one with services: {NAME: {image: ...}}.")
    if len(services) > _MOST_SERVICES:
        raise Invalid(f"This Compose file has more than {_MOST_SERVICES} services.", "Split it.")
    beside = sorted(set(document) - {"services", "version", "name"})
    return tuple(_job(name, services[name], folder, home, beside) for name in _in_order(services))


def _job(name: str, service: Any, folder: str, home: str, beside: list[str]) -> ImportedJob:
    if not isinstance(service, Mapping):
        raise Invalid(f"services.{plain(name)} is no table.", "Expected: image: and what goes with it.")
    draft = JobDraft(folder, home)
    draft.name = name
    for key, value in service.items():
        given = _filled(draft, f"services.{name}.{key}", value)
        take = KEYS.get(key)
        if take is not None:
            take(draft, f"services.{name}.{key}", given)
        elif not key.startswith("x-"):
            draft.lost(f"services.{name}.{key}", shown(given), "Nothing in a job file is like it.")
    for key in beside:
        if not key.startswith("x-"):
            draft.lost(key, "", "A job has no part in what services share: networks, volumes, configs.")
    return draft.done()


def _filled(draft: JobDraft, option: str, value: Any) -> Any:
    """Return a value with its variables' defaults in it."""
    if isinstance(value, Mapping):
        return {key: _filled(draft, option, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(draft, option, item) for item in value]
    if not isinstance(value, str):
        return value

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, how, rest = found[1] or found[4], found[2] or "", found[3] or ""
        if how.endswith("-"):
            draft.changed(option, found[0], f"The default of {name} was put in.")
            return rest
        draft.changed(option, found[0], f"What {name} stands for is in your shell: put it in.")
        return found[0]

    return _VARIABLE.sub(put, value)


def waits_for(service: Any) -> Mapping[str, str]:
    """Return the services that one depends on, each with the condition."""
    given = service.get("depends_on") if isinstance(service, Mapping) else None
    if isinstance(given, list):
        return {str(name): "service_started" for name in given}
    if not isinstance(given, Mapping):
        return {}
    return {
        name: str(about.get("condition")) if isinstance(about, Mapping) else "service_started"
        for name, about in given.items()
    }


def _in_order(services: Mapping[str, Any]) -> Iterator[str]:
    """Yield the services, each after those whose end it waits for. Raises Invalid for a circle."""
    left = {name: {one for one in waits_for(service) if one in services} for name, service in services.items()}
    while left:
        ready = [name for name, waits in left.items() if not waits]
        if not ready:
            names = ", ".join(map(plain, sorted(left)))
            raise Invalid(f"The services {names} wait for one another.", "Take one depends_on away.")
        yield from ready
        left = {name: waits - set(ready) for name, waits in left.items() if name not in ready}
