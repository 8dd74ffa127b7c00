"""Whatever the program or its documentation tells a person to paste is a command that the command line takes.

A name from outside (of a model, an alias, a run) stands in it as one word for a shell, whatever the name is made of.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from mlops_desk.desk.cli.parser import parse
from mlops_desk.jobs.cli.bare.arguments import asks

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlops_desk"
OURS = "mlops-desk "
FILLED = "7"
"""What stands for a value that is known only when the hint is made: a number and a name both."""
SEVERAL = {
    "span": "--since 1 --until 2",
    "listed": "settings list",
    "again.spec.resources.gpus": FILLED,
    "shlex.join(again.spec.command)": "python train.py",
    "_OTHERS[kind.text]": "jobs submit",
}
"""Values that are more than a word."""
PROSE = re.compile(r"; |, or |, which |\.$| (shows|takes|says|lists|tells|and) ")
"""Where a text that begins with a command goes on as a sentence."""
SHELL = {"|", ">", "<", "&&", "…"}
EXAMPLES = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
PLACEHOLDERS = {"PID": "4711", "TICKS": "4711"}
"""Words of the documentation that stand for numbers."""


def words_of(command: str) -> list[str]:
    """Return the words behind ``mlops-desk``, up to where a shell would go on with something else."""
    words = [word for word in shlex.split(command.removeprefix(OURS), comments=True) if word not in {"…", "--json"}]
    return words[: next((at for at, word in enumerate(words) if word in SHELL), len(words))]


def refusal(command: str) -> str | None:
    """Return what the command line has against a command; None where it takes it."""
    words = words_of(command)
    if asks(words):
        return None
    said = StringIO()
    try:
        with redirect_stderr(said):
            parse([PLACEHOLDERS.get(word, word) for word in words])
    except SystemExit as ended:
        return said.getvalue().strip().rpartition("\n")[2] if ended.code else None
    return None


def _text(node: ast.AST) -> str | None:
    """Return a text, with its values filled in; None where it is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _filled(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _filled(part: ast.expr) -> str:
    return SEVERAL.get(ast.unparse(part.value), FILLED) if isinstance(part, ast.FormattedValue) else FILLED


def told(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Yield each text that begins with a command of ours, and the command in it."""
    pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = None if id(node) in pieces else _text(node)
        if text is not None and re.match(r"mlops-desk [a-z]", text) and isinstance(node, ast.expr):
            yield node, PROSE.split(text)[0].rstrip()


def unquoted(node: ast.expr) -> list[str]:
    """Return the values of a command that come from outside, as ``plain`` marks them, and that no shell is kept off."""
    values = node.values if isinstance(node, ast.JoinedStr) else []
    shown = [ast.unparse(part.value) for part in values if isinstance(part, ast.FormattedValue)]
    return [one for one in shown if "plain(" in one and "quote(" not in one]


@cache
def everywhere() -> tuple[tuple[str, ast.expr, str], ...]:
    """Return each command that the program tells: where, the text's node, and the command."""
    return tuple(
        (f"{path.relative_to(ROOT)}:{node.lineno}", node, command)
        for path in sorted(PACKAGE.rglob("*.py"))
        if OURS in (source := path.read_text(encoding="utf-8"))
        for node, command in told(ast.parse(source))
    )


def test_the_command_line_takes_each_command_that_the_program_tells():
    wrong = [f"{place}: {command}: {why}" for place, _, command in everywhere() if (why := refusal(command))]
    assert not wrong, "\n".join(wrong)


def test_a_name_from_outside_is_one_word_of_a_command():
    wrong = [f"{place}: {', '.join(bare)}" for place, node, _ in everywhere() if (bare := unquoted(node))]
    assert not wrong, "\n".join(wrong)


def examples(text: str) -> list[str]:
    """Return the commands of a page's examples, continued lines as one, and those that its prose writes out."""
    lines = "\n".join(EXAMPLES.findall(text)).replace("\\\n", " ").splitlines()
    found = [re.search(r"(?:^|[ $]|run: )(mlops-desk [a-z-].*)", line.partition(" reports:")[0]) for line in lines]
    written_out = re.findall(r"`(mlops-desk [^`]+)`", EXAMPLES.sub("", text))
    return [one.group(1) for one in found if one is not None] + [" ".join(one.split()) for one in written_out]


def pages() -> list[Path]:
    """Return what users read: the README and the documentation that ships with the program."""
    return [ROOT / "README.md", *sorted((ROOT / "resources" / "docs").rglob("*.md"))]


def test_the_command_line_takes_each_example_of_the_documentation():
    commands = [(page, one) for page in pages() for one in examples(page.read_text(encoding="utf-8"))]
    assert len(commands) > 200, "the search finds them"
    wrong = [f"{page.name}: {command}: {why}" for page, command in commands if (why := refusal(command))]
    assert not wrong, "\n".join(wrong)


def anchors(page: Path) -> set[str]:
    """Return the names by which links lead to a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", EXAMPLES.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", one.lower()).replace(" ", "-") for one in headings}


def test_each_link_of_the_documentation_leads_to_a_file_and_a_heading():
    wrong, n_links = [], 0
    for page in pages():
        for link in re.findall(r"\]\(([^)]+)\)", EXAMPLES.sub("", page.read_text(encoding="utf-8"))):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            n_links += 1
            if not target.is_file() or (anchor and anchor not in anchors(target)):
                wrong.append(f"{page.name}: {link}")
    assert n_links > 100, "the search finds them"
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("mlops-desk models rollback churn --alias champion", True),
        ("mlops-desk models rollback churn champion", False),
        ("mlops-desk jobs submit job.yaml --set params.lr=0.1 | tee log", True),
        ("mlops-desk exec --gpus 1 -- python train.py", True),
        ("mlops-desk alerts configure gpu_temperature --no-enabled", False),
    ],
)
def test_the_check_knows_a_command_from_none(said, taken):
    assert (refusal(said) is None) is taken


def test_the_search_finds_commands_and_values():
    tree = ast.parse(
        'a = Hint(f"mlops-desk models show {plain(name)}", after="Look: mlops-desk doctor"); b = "mlops-desk"'
    )
    ((node, command),) = list(told(tree))
    assert (command, unquoted(node)) == ("mlops-desk models show 7", ["plain(name)"])
    assert unquoted(ast.parse('f"mlops-desk models show {quote(plain(name))}"', mode="eval").body) == []
