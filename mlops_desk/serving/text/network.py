"""Texts about the way in from other machines, and the line that asks an endpoint from there."""

import shlex
import time

from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import facts
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.network import EntranceState, NetworkEntrance

_OFF = Hint("mlops-desk settings set serving.listen 0.0.0.0:8443", before="not reached; to have endpoints reached: ")
_NOTHING = "–"
_CALLERS = "authority.pem"
_STATES = {
    EntranceState.OFF: _OFF,
    EntranceState.OPENING: "about to be opened",
    EntranceState.OPEN: "open, by TLS and with a token",
    EntranceState.FAILED: "not open",
}


def of_endpoint(endpoint: Endpoint) -> dict[str, str]:
    """Say where other machines reach an endpoint, and by which certificate."""
    network = endpoint.network
    if network is None:
        return {"other machines": "do not reach it"}
    why = "" if network.reason is None else f": {plain(network.reason.text)}"
    if network.url is None:
        return {"other machines": f"do not reach it{why}"}
    told = {"other machines": network.url}
    if network.certificate is not None:
        told["they trust"] = network.certificate
    return told | {"SHA-256": f"{network.fingerprint or _NOTHING}{why}"}


def entrance(entrance: NetworkEntrance) -> str:
    """Say how the way in stands; where it is open, how an endpoint is asked and what callers trust."""
    told = {"from other machines": _STATES[entrance.state]}
    if entrance.reason is not None:
        told |= {"reason": plain(entrance.reason.text), "next": plain(entrance.reason.hint or _NOTHING)}
    if entrance.state is EntranceState.OFF or entrance.url is None or entrance.pem is None:
        return facts(told)
    told |= {
        "listens at": entrance.listen,
        "address": f"{entrance.url}/NAME",
        "names": ", ".join(map(plain, entrance.names)),
        "made by": "the desk's own authority, renewed by itself" if entrance.is_own else "the settings' files",
        "lasts until": _NOTHING if entrance.expires_at is None else time.strftime(
            "%Y-%m-%d", time.localtime(entrance.expires_at)
        ),
        "certificate": entrance.certificate or _NOTHING,
        "SHA-256": entrance.fingerprint or _NOTHING,
    }  # fmt: skip
    return f"{facts(told)}\n\n{_ask(entrance)}\n\n{entrance.pem.strip()}"


def _ask(entrance: NetworkEntrance) -> str:
    trusted = f"--cacert {_CALLERS} " if entrance.is_own else ""
    curl = (
        f"curl {trusted}-H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d @request.json "
        f"{shlex.quote(f'{entrance.url}/NAME')}"
    )
    if not entrance.is_own:
        return f"From another machine: {curl}\nIts certificate:"
    return f"From another machine: {curl}\nThere {_CALLERS} is this, which that program trusts and nothing else should:"
