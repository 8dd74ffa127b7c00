"""What a command loads before its question is on its way, and what it never needs: each module delays its answer."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.cli.parser import build
from mlops_desk.verbs import PROTOCOLS, desk
from mlops_desk.verbs.answers.names import WHERE
from mlops_desk.verbs.declaration import verbs_of

VERBS = Path(desk.__file__).parent
DOCUMENT = {"mlops_desk.cli.forms.document"}
HEAVY = {
    "msgspec", "httpx", "ssl", "asyncio", "logging", "subprocess", "email", "http.client", "yaml", "tempfile", "hashlib",
}  # fmt: skip
ASKING = """
import socket, sys
from mlops_desk import __version__
from mlops_desk.api import exchange
from mlops_desk.cli.main import main

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


def of(modules: set[str], *beginnings: str) -> set[str]:
    return {name for name in modules if name.startswith(beginnings)}


def test_a_submit_is_on_its_way_before_any_record_is_loaded() -> None:
    _, before, _ = loaded("jobs", "submit", "-")
    assert "mlops_desk.verbs.jobs" in before
    assert not before & HEAVY
    assert not of(before, "mlops_desk.records.", "mlops_desk.cli.forms.", "mlops_desk.cli.output") - DOCUMENT
    others = {f"mlops_desk.verbs.{service}" for service in PROTOCOLS} - {"mlops_desk.verbs.jobs"}
    assert before & others == {"mlops_desk.verbs.agent"}, "another service's words, for nothing"


def test_with_json_no_record_is_made_of_the_answer_either() -> None:
    printed, _, after = loaded("jobs", "submit", "-", "--json")
    assert printed == "{}\n"
    assert not after & HEAVY
    assert not of(after, "mlops_desk.records.", "mlops_desk.cli.forms.", "mlops_desk.cli.output") - DOCUMENT


def test_the_table_of_records_is_what_the_declarations_import_for_types() -> None:
    found = {}
    for path in (*VERBS.glob("*.py"), *VERBS.glob("*/__init__.py")):  # a service may have a folder of its own
        if (path.parent.name if path.stem == "__init__" else path.stem) not in set(PROTOCOLS):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlops_desk.records."):
                names = {alias.name: (node.module or "").removeprefix("mlops_desk.records.") for alias in node.names}
                found |= {name: where for name, where in names.items() if not name.isupper()}
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
