"""What the command line does beside opening the window: ask a verb of the agent, be the agent, or work without one.

Asking is what nearly every command does, and is loaded alone.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlops_desk.desk.cli.parser import arguments_of, file_of
from mlops_desk.jobs.cli import archive_import
from mlops_desk.kit.api.client import Client, connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.document import write
from mlops_desk.kit.verbs.declaration import Ticket, Verb

# What is said before a verb is asked, on stderr: in what a job once more would differ, how large an export will be.
_RERUN = ("jobs", "rerun")
_EXPORT = ("jobs", "export")


def said(client: Client, verb: Verb, arguments: Mapping[str, Any]) -> str | None:
    """Return what is to be said; None for every other verb, and where the verb itself will say what is wrong."""
    name = (verb.service, verb.name)
    try:
        if name == _RERUN:
            return _rerun(client, arguments)
        if name == _EXPORT and arguments.get("outputs"):
            return _outputs(client, arguments["job_id"])
    except Unavailable as error:
        return f"mlops-desk: what it would differ in can't be told: {error.message}"
    except DeskError:
        return None
    return None


def _rerun(client: Client, arguments: Mapping[str, Any]) -> str:
    from mlops_desk.jobs.text import job_diff  # noqa: PLC0415 - records that only this verb needs before it is asked

    return job_diff.before(client.jobs.preview_rerun(**arguments))


def _outputs(client: Client, job_id: str) -> str:
    from mlops_desk.kit.text.cells import size  # noqa: PLC0415 - as above

    found = client.jobs.outputs(job_id)
    if not found:
        return "mlops-desk: the job left nothing in folders that are kept (outputs: in its job file)."
    total = sum(one.size_bytes for one in found)
    parts = ", ".join(f"{plain(one.target)} {one.files:,} file{'' if one.files == 1 else 's'}" for one in found)
    return f"mlops-desk: with outputs of {size(total)} ({parts})."


# Asks a verb of the agent, as the command line's words say. How an answer looks is loaded once it is there.
# With ``--json`` nothing is: the agent's answer is what is printed, and no record is made of it.
_CANCEL = ("jobs", "cancel")
_SEARCH = ("models", "search")
_JUDGED = {("endpoints", "deploy")}
"""Verbs whose answer decides the exit code."""


def ask(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Ask, and say what the answer is. Raises DeskError."""
    given.verb = archive_import.chosen(given.verb, given)
    arguments = arguments_of(given.verb, given)
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        if as_json and not given.verb.streams and (given.verb.service, given.verb.name) not in _JUDGED:
            document = _asked(client, client.document, given, arguments)
            write(document)
            if (given.verb.service, given.verb.name) == _SEARCH:
                _say_left_out(client, arguments, len(document))
            return 0
        before = client.jobs.show(arguments["job_id"]) if (given.verb.service, given.verb.name) == _CANCEL else None
        if not as_json and (told := said(client, given.verb, arguments)):
            sys.stderr.write(f"{told}\n")
        is_followed = _is_followed(given.verb, arguments)
        answer = _asked(client, partial(_followed, client) if is_followed else client.call, given, arguments)
        # Records of all services, which are not needed to ask: a job is on its way meanwhile.
        from mlops_desk.desk.cli.answers import tell  # noqa: PLC0415 - a tenth of a second

        if (differing := getattr(given, "differing", None)) is not None and not as_json:
            from mlops_desk.registry.text.comparison import SideBySide  # noqa: PLC0415 - likewise

            answer = SideBySide(answer, only_differing=differing)
        return tell(client, given.verb, arguments, before, answer, as_json=as_json)


def _say_left_out(client: Client, arguments: dict[str, Any], n_shown: int) -> None:
    from mlops_desk.registry.text.version_search import left_out  # noqa: PLC0415 - records that nothing else needs for JSON

    if told := left_out(client, arguments, n_shown):
        sys.stderr.write(f"{told}\n")


def _is_followed(verb: Verb, arguments: dict[str, Any]) -> bool:
    return (verb.service, verb.name) in _JUDGED and bool(arguments.get("wait", True))


def _followed(client: Client, verb: Verb, arguments: dict[str, Any]) -> Any:
    """Ask for a deployment and tell its steps until it is over."""
    from mlops_desk.serving.cli.deployment_steps import follow  # noqa: PLC0415 - records of endpoints, which nothing else here needs
    from mlops_desk.serving.records.access import deployed  # noqa: PLC0415 - likewise

    begun = client.call(verb, {**arguments, "wait": False})
    return deployed(follow(client, begun, sys.stderr), begun.token)


def _asked(
    client: Client, ask_for: Callable[[Verb, dict[str, Any]], Any], given: argparse.Namespace, arguments: dict[str, Any]
) -> Any:
    try:
        if any(isinstance(one.form, Ticket) for one in given.verb.parameters):
            from mlops_desk.serving.cli.task_progress import followed  # noqa: PLC0415 - what only verbs of minutes need

            return followed(client, partial(ask_for, given.verb, arguments), arguments["ticket"], sys.stderr)
        return ask_for(given.verb, arguments)
    except DeskError as error:
        raise _with_file(error, file_of(given.verb, given)) from error


def _with_file(error: DeskError, path: str | None) -> DeskError:
    """Return the error with the name of the file that it is about, which the agent never heard."""
    if error.place is None or path is None:
        return error
    return type(error)(f"{path}: {error.message}", error.hint, error.command, error.place)


Act = Callable[[AgentAddress, argparse.Namespace, bool], int]
_SELFTEST_TIMEOUT_SECONDS = 300.0  # chosen: it loads every library once, also from a slow disk


def _of_agent(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.desk.cli import agent_commands  # noqa: PLC0415 - see above

        done: Act = getattr(agent_commands, name)
        return done(address, given, as_json)

    return act


def _of_opening(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.desk.cli.deep_links import command as opening  # noqa: PLC0415 - see above

        done: Act = getattr(opening, name)
        return done(address, given, as_json)

    return act


def _watch(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.desk.cli.watch import watch  # noqa: PLC0415 - see above

    return watch(address, given, as_json)


def _drift_report(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.drift.cli import report  # noqa: PLC0415 - see above

    return report.make(address, given, as_json=as_json)


def _drift_profile(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.drift.cli import profile  # noqa: PLC0415 - see above

    if given.version is None:
        return profile.make(address, given, as_json=as_json)
    profile.check_shown(given)
    return ask(address, given, as_json)


def _drift_performance(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.drift.cli import performance  # noqa: PLC0415 - see above

    if given.monitor is not None:
        return ask(address, performance.of_monitor(given), as_json)
    return performance.make(given, as_json=as_json)


def selftest(target: str, *, as_json: bool) -> int:
    """Try everything an installation needs; 1 when something failed, with the report in ``target``."""
    from mlops_desk.kit.base.process import run_worker  # noqa: PLC0415 - see above
    from mlops_desk.kit.text.document import show  # noqa: PLC0415 - likewise

    folder = Path(target).absolute()
    document = run_worker("mlops_desk.selftest", {"folder": str(folder)}, _SELFTEST_TIMEOUT_SECONDS)
    lines = [f"{'ok  ' if item['ok'] else 'FAIL'} {item['name']}: {item['text']}" for item in document["checks"]]
    show(document, "\n".join([*lines, f"Report: {folder / 'selftest.json'}"]), as_json=as_json)
    return 0 if document["ok"] else 1


def _of_images(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.engines.cli import commands as image_acts  # noqa: PLC0415 - see above

        done: Act = getattr(image_acts, name)
        return done(address, given, as_json)

    return act


def _of_audit(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.governance.cli.audit import commands as audit_acts  # noqa: PLC0415 - see above

        done: Act = getattr(audit_acts, name)
        return done(address, given, as_json)

    return act


def _of_evidence(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.governance.cli.evidence import commands as evidence_acts  # noqa: PLC0415 - see above

        done: Act = getattr(evidence_acts, name)
        return done(address, given, as_json)

    return act


def _cards_export(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.governance.cli import commands as card_acts  # noqa: PLC0415 - see above

    return card_acts.export(address, given, as_json)


def _ci_run(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.automation.cli.ci import commands as ci_acts  # noqa: PLC0415 - see above

    return ci_acts.run(address, given, as_json)


ACTS: dict[str, Act] = {
    "verb": ask,
    "agent": _of_agent("run"),
    "agent-status": _of_agent("status"),
    "agent-stop": _of_agent("stop"),
    "agent-restore": _of_agent("restore"),
    "drift-report": _drift_report,
    "drift-profile": _drift_profile,
    "drift-performance": _drift_performance,
    "images-pull": _of_images("pull"),
    "images-build": _of_images("build"),
    "images-prune": _of_images("prune"),
    "ci-run": _ci_run,
    "audit-verify": _of_audit("verify"),
    "audit-export": _of_audit("export"),
    "cards-export": _cards_export,
    "evidence-build": _of_evidence("build"),
    "evidence-verify": _of_evidence("verify"),
    "watch": _watch,
    "open": _of_opening("open_address"),
    "run-open": _of_opening("open_run"),
}
