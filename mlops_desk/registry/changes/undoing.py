"""How something is taken back, as data for the window and as a command to paste. Pure."""

import shlex
from collections.abc import Mapping

from mlops_desk.base.errors import Invalid
from mlops_desk.records.registry.undo import Undo
from mlops_desk.registry.address import parse_address

_PLACES = {
    "models.promote": ("model",),
    "models.rollback": ("model",),
    "models.remove_alias": ("model",),
    "models.tag": ("model", "key"),
    "models.describe": ("model", "text"),
    "models.delete": ("model",),
    "runs.tag": ("run_id", "key"),
    "runs.describe": ("run_id", "text"),
    "runs.delete": ("run_ids",),
    "runs.restore": ("run_ids",),
}
"""Which arguments stand in their place on the command line; the others are options."""
Value = str | tuple[str, ...] | None


def undo(verb: str, arguments: Mapping[str, Value], uri: str | None) -> Undo:
    """Return an undo by ``verb`` with these arguments (None: not given), on the registry that was named."""
    shown = None if uri is None else shown_uri(uri)
    given = {name: value for name, value in {**arguments, "uri": shown}.items() if value is not None}
    return Undo(verb, given, command_line(verb, given))


def shown_uri(uri: str) -> str:
    """Return an address as it may be shown: without a password. The name of a registry stays as it is."""
    try:
        return parse_address(uri).shown
    except Invalid:
        return uri


def command_line(verb: str, given: Mapping[str, Value]) -> str:
    """Return the command that asks for a verb, each word quoted for a shell."""
    service, _, name = verb.partition(".")
    words = ["mlops-desk", service, name.replace("_", "-")]
    dashed = False
    options: list[str] = []
    for key, value in given.items():
        values = [value] if isinstance(value, str) else list(value or ())
        if key in _PLACES[verb]:
            dashed = dashed or any(one.startswith("-") for one in values)
        else:
            options += [part for one in values for part in _option(key, one)]
    places = [one for key in _PLACES[verb] for one in _listed(given.get(key))]
    return shlex.join([*words, *options, "--", *places] if dashed else [*words, *places, *options])


def _option(key: str, value: str) -> list[str]:
    name = f"--{key.replace('_', '-')}"
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _listed(value: Value) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
