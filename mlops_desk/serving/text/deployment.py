"""What the command line makes of endpoints beyond their answer: a deployment that failed, and who stays behind."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlops_desk.kit.base.errors import DeskError, Hint, Refused, TimedOut
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.declaration import Verb
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.records.variants import VariantComparison

_DEPLOY = ("endpoints", "deploy")
_UNDER_WAY = frozenset({EndpointState.BUILDING, EndpointState.STARTING})
_REASON = 300  # chosen: two or three lines of a terminal


def failure(verb: Verb, arguments: Mapping[str, Any], answer: Any) -> DeskError | None:
    """Return why a deployment that was waited for did not go live, or why no variant could be measured.

    None when all went well, and for every other verb.
    """
    if isinstance(answer, VariantComparison):
        return _unmeasured(answer)
    if (verb.service, verb.name) != _DEPLOY or not isinstance(answer, Endpoint) or not arguments.get("wait", True):
        return None
    what = arguments["model"] or arguments.get("image")
    asked = f"{plain(str(what))} as {answer.name}"
    look = Hint(f"mlops-desk endpoints show {answer.name}")
    if answer.state in _UNDER_WAY:
        return TimedOut(f"The deployment of {asked} goes on, but took too long to wait for.", look)
    why = answer.reason
    if answer.state is EndpointState.LIVE and why is None:
        return None
    text = f"The deployment of {asked} failed: {plain(why.text, _REASON)}" if why else (
        f"The deployment of {asked} did not go live: the endpoint is {answer.state}."
    )  # fmt: skip
    if answer.state is EndpointState.LIVE:
        text = f"{text} Version {answer.model.version} goes on answering."
    return Refused(text, (why and why.hint) or look)


def _unmeasured(found: VariantComparison) -> DeskError | None:
    if any(one.error is None for one in found.variants):
        return None
    why = next((f": {plain(one.error, _REASON)}" for one in found.variants if one.error), ".")
    what = f"{plain(found.model)}/{plain(found.version)}"
    return Refused(f"No variant of {what} could be measured{why}", "Rows that it takes: --data FILE, a CSV or JSON.")


def staying(endpoints: Iterable[Endpoint]) -> list[str]:
    """Name the endpoints whose containers go on when the gateway is ended."""
    return [endpoint.name for endpoint in endpoints if endpoint.replicas]


def farewell(names: list[str]) -> str:
    """Say what stays behind without a way to it; "" for nothing."""
    if not names:
        return ""
    one = len(names) == 1
    told = "The container of endpoint" if one else "The containers of endpoints"
    goes = "goes on running and can't be reached now; it answers" if one else (
        "go on running and can't be reached now; they answer"
    )  # fmt: skip
    return (
        f"\n{told} {', '.join(names)} {goes} again as soon as an agent runs."
        f"\nTo end {'it' if one else 'one'}: mlops-desk endpoints stop {names[0]}"
    )
