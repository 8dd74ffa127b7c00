"""Texts about who may ask an endpoint, and for the token that is told once."""

import json
import shlex

from mlops_desk.serving.records.access import DeployedEndpoint, NewToken
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState

_SHORT = 400  # chosen: an example that a person still reads in a line to paste
_PATH = "/invocations"
"""Of models, whose address answers by itself."""
_ENDED = frozenset({EndpointState.FAILED, EndpointState.STOPPED})
_OPEN = "open to every user of this machine, without a token"


def told(endpoint: Endpoint) -> str:
    """Say who may ask an endpoint."""
    if not endpoint.token_required:
        return _OPEN
    return f"whoever has a token; for a new one: mlops-desk endpoints token {endpoint.name}"


def first_token(endpoint: DeployedEndpoint) -> str:
    """Say how a deployed endpoint is asked, with its first token where it has just got one."""
    shown = "" if endpoint.token is None else f"\nIts token is told this once: {endpoint.token}"
    if endpoint.url is not None and (endpoint.traffic or endpoint.state not in _ENDED):
        token = "" if endpoint.token is None else f"TOKEN={shlex.quote(endpoint.token)}; "
        path = "" if endpoint.example_path == _PATH else endpoint.example_path
        is_open = endpoint.token is None and not endpoint.token_required
        shown += f"\nAsk it: {token}{_curl(endpoint.url + path, is_open=is_open, body=_body(endpoint))}"
    return f"\n{shown}" if shown else ""


def _body(endpoint: Endpoint) -> str | None:
    """Return a body that works, where a line to paste has room for it."""
    text = None if endpoint.example is None else json.dumps(endpoint.example, ensure_ascii=False)
    return text if text is not None and len(text) <= _SHORT and text.isprintable() else None


def new_token(made: NewToken) -> str:
    """Tell a new token; it is the last word."""
    held = "the only one that holds" if made.held == 1 else f"one of {made.held} that hold"
    lines = [f"A new token of endpoint {made.endpoint}, {held}. It is told this once."]
    if not made.token_required:
        lines.append(f"The endpoint is {_OPEN}; deploy it with --no-open, and it wants one.")
    if made.url is not None:
        lines.append(f"Ask it: {_curl(made.url, is_open=False)}")
    return "\n".join([*lines, f"The token: {made.token}"])


def _curl(url: str | None, *, is_open: bool, body: str | None = None) -> str:
    token = "" if is_open else '-H "Authorization: Bearer $TOKEN" '
    sent = "@request.json" if body is None else shlex.quote(body)
    return f"curl {token}-H 'Content-Type: application/json' -d {sent} {url}"
