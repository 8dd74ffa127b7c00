"""What a command loads before its question is on its way, and what it never needs: each module delays its answer."""

import ast
import inspect
import re
import subprocess
import sys

import pytest

from mlops_desk.desk.cli.parser import build
from mlops_desk.kit.verbs import PROTOCOLS
from mlops_desk.kit.verbs.answers.names import WHERE
from mlops_desk.kit.verbs.declaration import verbs_of

DOCUMENT = {"mlops_desk.kit.text.document"}
HEAVY = {
    "msgspec", "httpx", "ssl", "asyncio", "logging", "subprocess", "email", "http.client", "yaml", "tempfile", "hashlib",
}  # fmt: skip
ASKING = """
import socket, sys
from mlops_desk import __version__
from mlops_desk.kit.api import exchange
from mlops_desk.desk.cli.main import main

HEAD = f"HTTP/1.1 200 OK\\r\\nx-agent-version: {__version__}\\r\\ncontent-length: 2\\r\\n\\r\\n"
asked = []

def opened(path, question, seconds, *_begun):
    asked.append(question.target)
    if len(asked) == 2:
        sys.stderr.write(" ".join(sys.modules) + "\\n")
    here, there = socket.socketpair()
    there.sendall(HEAD.encode() + b"{}")
    return exchange.AgentReply(here)

exchange.opened = opened
code = main(["--address", "unix:///tmp/nobody.sock", *sys.argv[1:]])
assert asked == ["/v1/agent/info", "/v1/jobs/submit"], asked
sys.stderr.write(" ".join(sys.modules) + "\\n")
"""
"""Asks an agent that is a double; what is loaded when the question is on its way is the first line, then at the end."""


def loaded(*words: str) -> tuple[str, set[str], set[str]]:
    """Return what was printed, what was loaded when the agent was asked, and what in the end."""
    command = [sys.executable, "-c", ASKING, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, input="name: x")
    lines = done.stderr.splitlines()
    return done.stdout, set(lines[0].split()), set(lines[-1].split())


def words_of_records(modules: set[str]) -> set[str]:
    """Return the modules of records and of texts among some, without what writes JSON."""
    found = {name for name in modules if name.startswith("mlops_desk.desk.cli.output")}
    found |= {name for name in modules if name.count(".") > 2 and name.split(".")[2] in {"records", "text"}}
    return found - DOCUMENT


def test_a_submit_is_on_its_way_before_any_record_is_loaded() -> None:
    _, before, _ = loaded("jobs", "submit", "-")
    assert "mlops_desk.jobs.verbs.jobs" in before
    assert not before & HEAVY
    assert not words_of_records(before)
    others = {inspect.getmodule(protocol).__name__ for protocol in PROTOCOLS.values()} - {"mlops_desk.jobs.verbs.jobs"}
    assert before & others == {"mlops_desk.kit.verbs.agent"}, "another service's words, for nothing"


def test_with_json_no_record_is_made_of_the_answer_either() -> None:
    printed, _, after = loaded("jobs", "submit", "-", "--json")
    assert printed == "{}\n"
    assert not after & HEAVY
    assert not words_of_records(after)


def test_the_table_of_records_is_what_the_declarations_import_for_types() -> None:
    found = {}
    for protocol in PROTOCOLS.values():
        for node in ast.walk(ast.parse(inspect.getsource(inspect.getmodule(protocol)))):
            if isinstance(node, ast.ImportFrom) and ".records." in (node.module or ""):
                found |= {alias.name: node.module for alias in node.names if not alias.name.isupper()}
    assert found == WHERE


@pytest.mark.parametrize("service", [service for service in PROTOCOLS if service != "bare"])
def test_every_answer_that_is_declared_can_be_read(service: str) -> None:
    for verb in verbs_of(service, PROTOCOLS[service]):
        assert verb.returns is not None, verb.path
        assert "ForwardRef" not in str(verb.returns), verb.path


@pytest.mark.slow
@pytest.mark.parametrize("service", sorted(set(PROTOCOLS) - {"agent", "telemetry", "bare"}))
def test_a_verb_alone_is_read_as_among_all_of_its_service(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in verbs_of(service, PROTOCOLS[service]):
        word = verb.word.replace("_", "-")
        helps = []
        for parser in (build(service, word), build(service), build(service, "no-such-verb")):
            with pytest.raises(SystemExit):
                parser.parse_args([service, word, "--help"])
            helps.append(capsys.readouterr().out)
        assert helps[0] == helps[1] == helps[2]


def test_a_verb_that_is_none_is_refused_with_all_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build("jobs", "sumbit").parse_args(["jobs", "sumbit"])
    told = capsys.readouterr().err
    assert "invalid choice: 'sumbit'" in told
    assert re.search(r"\bsubmit\b", told)  # Python's versions quote the choices, or do not
    assert re.search(r"\bcancel\b", told)
