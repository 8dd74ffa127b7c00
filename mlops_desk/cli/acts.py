"""What the command line does beside opening the window: ask a verb of the agent, be the agent, or work without one.

Asking is what nearly every command does, and is loaded alone.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.cli.asking import ask

Act = Callable[[AgentAddress, argparse.Namespace, bool], int]
_SELFTEST_TIMEOUT_SECONDS = 300.0  # chosen: it loads every library once, also from a slow disk


def _of_agent(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.cli import agent_acts  # noqa: PLC0415 - see above

        done: Act = getattr(agent_acts, name)
        return done(address, given, as_json)

    return act


def _of_opening(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.cli.opening import act as opening  # noqa: PLC0415 - see above

        done: Act = getattr(opening, name)
        return done(address, given, as_json)

    return act


def _watch(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.cli.watch import watch  # noqa: PLC0415 - see above

    return watch(address, given, as_json)


def _drift_report(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.cli.drift import report  # noqa: PLC0415 - see above

    return report.make(address, given, as_json=as_json)


def _drift_profile(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.cli.drift import profile  # noqa: PLC0415 - see above

    if given.version is None:
        return profile.make(address, given, as_json=as_json)
    profile.check_shown(given)
    return ask(address, given, as_json)


def _drift_performance(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.cli.drift import performance  # noqa: PLC0415 - see above

    if given.monitor is not None:
        return ask(address, performance.of_monitor(given), as_json)
    return performance.make(given, as_json=as_json)


def selftest(target: str, *, as_json: bool) -> int:
    """Try everything an installation needs; 1 when something failed, with the report in ``target``."""
    from mlops_desk.base.process import run_worker  # noqa: PLC0415 - see above
    from mlops_desk.cli.output import show  # noqa: PLC0415 - likewise

    folder = Path(target).absolute()
    document = run_worker("mlops_desk.selftest", {"folder": str(folder)}, _SELFTEST_TIMEOUT_SECONDS)
    lines = [f"{'ok  ' if item['ok'] else 'FAIL'} {item['name']}: {item['text']}" for item in document["checks"]]
    show(document, "\n".join([*lines, f"Report: {folder / 'selftest.json'}"]), as_json=as_json)
    return 0 if document["ok"] else 1


def _of_images(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.cli.images import acts as image_acts  # noqa: PLC0415 - see above

        done: Act = getattr(image_acts, name)
        return done(address, given, as_json)

    return act


def _of_audit(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.cli.audit import acts as audit_acts  # noqa: PLC0415 - see above

        done: Act = getattr(audit_acts, name)
        return done(address, given, as_json)

    return act


def _of_evidence(name: str) -> Act:
    def act(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
        from mlops_desk.cli.evidence import acts as evidence_acts  # noqa: PLC0415 - see above

        done: Act = getattr(evidence_acts, name)
        return done(address, given, as_json)

    return act


def _cards_export(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.cli.governance import acts as card_acts  # noqa: PLC0415 - see above

    return card_acts.export(address, given, as_json)


def _ci_run(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    from mlops_desk.cli.ci import acts as ci_acts  # noqa: PLC0415 - see above

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
