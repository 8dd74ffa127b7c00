"""What a search for versions left out, said on stderr: its answer on stdout is the list of them and nothing else."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.kit.api.client import Client
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.verbs.declaration import Verb
from mlops_desk.registry.text.runs import rest

_SEARCH = ("models", "search")


def is_search(verb: Verb) -> bool:
    return (verb.service, verb.name) == _SEARCH


def left_out(client: Client, arguments: Mapping[str, Any], n_shown: int) -> str:
    """Say how many more match than were shown, and what is not known yet; "" where that was all."""
    try:
        known = client.models.find(arguments["query"], uri=arguments.get("uri"), limit=1, wait=0.0)
    except DeskError as error:
        return f"mlops-desk: whether more match can't be told: {error.message}"
    return "\n".join(f"mlops-desk: {line}" for line in rest(known, n_shown))
