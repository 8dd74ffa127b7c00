"""A plugin for pytest (`-p desk_setup.bookkeeper --account FILE`): writes down what became of each test.

Whoever started the run reads which tests failed, which were skipped and why, how many a marker kept out, and the files
from which no test came: all but the first look like success in pytest's exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from desk_setup.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable

LAST_LINES = 12
"""Of what pytest tells of a failure; chosen: an assertion with both of its sides, not the whole of its functions."""


class Bookkeeper:
    """Hears what pytest reports; where tests run in several processes, in the one that starts the others."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say
        self._account = Account()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report.nodeid, report)
        seconds = self._account.seconds
        seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
        if report.when == "teardown" and report.nodeid not in self._account.skipped:
            self._account.ran.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report.nodeid, report)

    def _note(self, name: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed and name not in self._account.failed:
            self._account.failed.append(name)
            self._account.said[name] = _told_of(report)
            # At once and not only at the end: a run that somebody ends early has told what it found.
            self._say(f"\nFAILED {name}\n{self._account.said[name]}")
        if report.skipped:
            self._account.skipped[name] = _reason(report.longrepr)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._account.deselected += len(items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Each of several processes leaves out the same tests."""
        told = getattr(node, "workeroutput", {})
        self._account.deselected = max(self._account.deselected, told.get("deselected", 0))

    def pytest_sessionfinish(self) -> None:
        self._account.write(self._path)


class Worker:
    """In one of several processes: tells the first one how many tests a marker kept out."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._deselected = 0

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected += len(items)

    def pytest_sessionfinish(self) -> None:
        output: dict[str, Any] = getattr(self._config, "workeroutput", {})
        output["deselected"] = self._deselected


def _told_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The phase where it is not the test itself, and the last lines: the error and where it was raised."""
    phase = getattr(report, "when", "call")
    lines = report.longreprtext.strip().splitlines()[-LAST_LINES:]
    return "\n".join([f"in its {phase}:", *lines] if phase in {"setup", "teardown"} else lines)


def _reason(longrepr: object) -> str:
    """pytest tells a skip as file, line and reason."""
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).removeprefix("Skipped: ")


def _line(config: pytest.Config) -> Callable[[str], None]:
    """Past what pytest captures. The terminal's reporter may be registered later than this plugin is configured."""
    return lambda text: config.pluginmanager.getplugin("terminalreporter").write_line(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--account", type=Path, help="the file that tells what became of each test")


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("--account")
    if path is None:
        return
    several = hasattr(config, "workerinput")
    config.pluginmanager.register(Worker(config) if several else Bookkeeper(path, _line(config)), "desk-account")
