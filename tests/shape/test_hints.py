"""A command stands in a ``Hint``, which carries it as a field, and never in a sentence that somebody takes apart."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlops_desk"

_COMMAND = re.compile(
    r"mlops-desk [a-z-]|`[^`]+`|\bsudo \S|\b(docker|podman) [a-z]+ |\b(docker|podman) (rm|ps|info)\b|nvidia-smi -|"
    r"nvidia-ctk |\bkill -?[\d{]|\bdf -|\bdu -|\bls -|\bps -|\bchmod \d|\bapt(-get)? install|journalctl|systemctl |"
    r"modprobe |\bcurl -|\bexport [A-Z]|\bmv \S+ \S|\blspci -|\blsmod\b"
)
_ERRORS = {"DeskError", "NotFound", "Refused", "Invalid", "Unavailable", "TimedOut", "Notice", "Reason", "Incident"}
_FIXES = {
    "desk/doctor.py": "a check's fix is a field that is nothing but the command",
    "desk/engines/composition.py": "a check's fix is a field that is nothing but the command",
    "desk/network/checks.py": "a check's fix is a field that is nothing but the command",
    "desk/network/listener_check.py": "a check's fix is a field that is nothing but the command",
    "gpus/ledger_watch.py": "a check's fix is a field that is nothing but the command",
    "serving/socket_handover.py": "a check's fix is a field that is nothing but the command",
    "machine/telemetry/prometheus/exporter.py": "a check's fix is a field that is nothing but the command",
    "kit/storage/audit/anchors.py": "the journal is read by that program",
    "desk/cli/postprocess.py": "what a terminal shows is read there, and goes nowhere else",
    "kit/cli/global_options.py": "what a terminal shows is read there, and goes nowhere else",
    "serving/text/access.py": "what a terminal shows is read there, and goes nowhere else",
    "serving/text/deployment.py": "what a terminal shows is read there, and goes nowhere else",
    "governance/text/data/retention.py": "what a terminal shows is read there, and goes nowhere else",
    "automation/text/pipelines.py": "what a terminal shows is read there, and goes nowhere else",
    "machine/text/events.py": "what a terminal shows is read there, and goes nowhere else",
    "engines/cli/commands.py": "what a terminal shows is read there, and goes nowhere else",
    "kit/text/records.py": "what a terminal shows is read there, and goes nowhere else",
    "automation/window/rules/panel.py": "an empty page has its command in a field",
    "automation/window/ci/panel.py": "an empty page has its command in a field",
    "automation/window/pipelines.py": "a list that is cut has its command in a field",
    "drift/window/answers/view.py": "an empty page has its command in a field",
    "drift/window/monitors/view.py": "an empty page has its command in a field",
    "serving/window/deploy_form.py": "a line to copy has its command in a field",
    "serving/window/page.py": "an empty page has its command in a field",
    "gpus/window/end_process_form.py": "a line to copy has its command in a field",
    "governance/window/policies/tab.py": "an empty page has its command in a field",
    "engines/window/page.py": "an empty page has its command in a field",
    "jobs/window/form/importer.py": "a kind of text that is taken in, by its name",
    "jobs/window/form/submit_form.py": "a kind of text that is taken in, by its name",
    "jobs/window/page.py": "an empty page has its command in a field",
    "registry/window/models/page.py": "an empty page has its command in a field",
    "registry/window/runs/queries.py": "MLflow's own notation for a tag",
    "registry/window/runs/completion.py": "MLflow's own notation for a name",
    "registry/window/runs/names.py": "the quotes of a notation",
    "registry/window/runs/page.py": "an empty page has its command in a field",
    "desk/window/settings/engines.py": "an empty page has its command in a field",
    "desk/window/settings/secrets/view.py": "an empty page has its command in a field",
    "desk/window/overview/notes.py": "a note for who starts here, which names two commands to try",
    "automation/rules/actions/notifications.py": "a mail is read where no window is",
    "kit/base/settings.py": "the help of a setting is read beside it",
    "serving/export/worker.py": "a file for people at another machine, who read it there",
    "governance/evidence/pack_builder.py": "a file for people at another machine, who read it there",
    "serving/gateway/access.py": "the answer to a program that speaks HTTP, which knows no fields",
    "registry/server/permissions.py": "the answer to a program that speaks MLflow, which knows no fields",
    "registry/server/quotas.py": "the answer to a program that speaks MLflow, which knows no fields",
    "registry/server/uploads.py": "the answer to a program that speaks MLflow, which knows no fields",
    "registry/default_registry.py": "the command alone, which goes into a hint",
    "registry/mlflow/order.py": "MLflow's own notation for a column",
    "registry/mirror/column.py": "MLflow's own notation for a column",
    "registry/mirror/filter/parser.py": "the quotes of a notation",
    "kit/storage/database.py": "the command alone, which goes into a hint",
    "machine/telemetry/nvml/gpus.py": "the note of a GPU is read beside it",
    "machine/telemetry/host/disks.py": "why a reading is missing is read beside it",
}
"""Files in which a text may name a command, and why; in an error, a notice, a reason or an incident not there either."""


def texts(tree: ast.AST) -> Iterator[tuple[ast.AST, str, bool]]:
    """Yield each text outside of a ``Hint`` and of docstrings, and whether it is in an error or a notice."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    yield from _below(tree, skipped, in_error=False)


def _below(node: ast.AST, skipped: set[int], *, in_error: bool) -> Iterator[tuple[ast.AST, str, bool]]:
    if id(node) in skipped and isinstance(node, ast.Constant):
        return
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "Hint":
            return
        in_error = in_error or name in _ERRORS
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        yield node, "".join(map(str, parts)), in_error
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node, node.value, in_error
    for child in ast.iter_child_nodes(node):
        yield from _below(child, skipped, in_error=in_error)


@cache
def prose_commands(package: Path) -> list[tuple[str, int, str, bool]]:
    """Return each command in a text: file, line, text, and whether it is in an error or a notice."""
    return [
        (path.relative_to(package).as_posix(), getattr(node, "lineno", 0), text, in_error)
        for path in sorted(package.rglob("*.py"))
        for node, text, in_error in texts(ast.parse(path.read_text(encoding="utf-8")))
        if _COMMAND.search(text)
    ]


def test_a_command_stands_in_a_hint():
    found = [
        f"{file}:{line}: {text}"
        for file, line, text, in_error in prose_commands(PACKAGE)
        if in_error or file not in _FIXES
    ]
    assert not found, "\n".join(found)


def test_what_may_name_a_command_does():
    assert {file for file, *_ in prose_commands(PACKAGE)} >= _FIXES.keys()


def test_the_search_finds_commands_and_no_words():
    for text in (
        "Look: mlops-desk jobs list",
        "`date` says it",
        "sudo kill 1",
        "docker rm x    if not needed",
        "du -xh /",
        "ls -la {}",
        "chmod 700 {}",
    ):
        assert _COMMAND.search(text)
    for text in ("MLOps Desk is here", "the docker engine", "kill it", "free some space", "df", "of mlops-desk."):
        assert not _COMMAND.search(text)
