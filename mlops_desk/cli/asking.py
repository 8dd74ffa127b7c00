"""Asks a verb of the agent, as the command line's words say. How an answer looks is loaded once it is there.

With ``--json`` nothing is: the agent's answer is what is printed, and no record is made of it.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from mlops_desk.api.client import Client, connect
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import DeskError
from mlops_desk.cli import ahead, exported
from mlops_desk.cli.forms.document import write
from mlops_desk.cli.parser import arguments_of, file_of
from mlops_desk.verbs.declaration import Ticket, Verb

_CANCEL = ("jobs", "cancel")
_SEARCH = ("models", "search")
_JUDGED = {("endpoints", "deploy")}
"""Verbs whose answer decides the exit code."""


def ask(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Ask, and say what the answer is. Raises DeskError."""
    given.verb = exported.chosen(given.verb, given)
    arguments = arguments_of(given.verb, given)
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        if as_json and not given.verb.streams and (given.verb.service, given.verb.name) not in _JUDGED:
            document = _asked(client, client.document, given, arguments)
            write(document)
            if (given.verb.service, given.verb.name) == _SEARCH:
                _say_left_out(client, arguments, len(document))
            return 0
        before = client.jobs.show(arguments["job_id"]) if (given.verb.service, given.verb.name) == _CANCEL else None
        if not as_json and (told := ahead.said(client, given.verb, arguments)):
            sys.stderr.write(f"{told}\n")
        is_followed = _is_followed(given.verb, arguments)
        answer = _asked(client, partial(_followed, client) if is_followed else client.call, given, arguments)
        # Records of all services, which are not needed to ask: a job is on its way meanwhile.
        from mlops_desk.cli.answers import tell  # noqa: PLC0415 - a tenth of a second

        if (differing := getattr(given, "differing", None)) is not None and not as_json:
            from mlops_desk.cli.forms.registry.comparison import SideBySide  # noqa: PLC0415 - likewise

            answer = SideBySide(answer, only_differing=differing)
        return tell(client, given.verb, arguments, before, answer, as_json=as_json)


def _say_left_out(client: Client, arguments: dict[str, Any], n_shown: int) -> None:
    from mlops_desk.cli.forms.registry.searching import left_out  # noqa: PLC0415 - records that nothing else needs for JSON

    if told := left_out(client, arguments, n_shown):
        sys.stderr.write(f"{told}\n")


def _is_followed(verb: Verb, arguments: dict[str, Any]) -> bool:
    return (verb.service, verb.name) in _JUDGED and bool(arguments.get("wait", True))


def _followed(client: Client, verb: Verb, arguments: dict[str, Any]) -> Any:
    """Ask for a deployment and tell its steps until it is over."""
    from mlops_desk.cli.steps import follow  # noqa: PLC0415 - records of endpoints, which nothing else here needs
    from mlops_desk.records.serving.access import deployed  # noqa: PLC0415 - likewise

    begun = client.call(verb, {**arguments, "wait": False})
    return deployed(follow(client, begun, sys.stderr), begun.token)


def _asked(
    client: Client, ask_for: Callable[[Verb, dict[str, Any]], Any], given: argparse.Namespace, arguments: dict[str, Any]
) -> Any:
    try:
        if any(isinstance(one.form, Ticket) for one in given.verb.parameters):
            from mlops_desk.cli.meanwhile.undertaking import followed  # noqa: PLC0415 - what only verbs of minutes need

            return followed(client, partial(ask_for, given.verb, arguments), arguments["ticket"], sys.stderr)
        return ask_for(given.verb, arguments)
    except DeskError as error:
        raise _with_file(error, file_of(given.verb, given)) from error


def _with_file(error: DeskError, path: str | None) -> DeskError:
    """Return the error with the name of the file that it is about, which the agent never heard."""
    if error.place is None or path is None:
        return error
    return type(error)(f"{path}: {error.message}", error.hint, error.command, error.place)
