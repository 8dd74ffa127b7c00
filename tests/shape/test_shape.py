"""The house's own rules, where neither the type checker nor the linter knows them."""

import ast
import inspect
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_desk"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE_LINES = 450
LONGEST_FUNCTION_LINES = 60
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
THREAD_STARTERS = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "QThread", "QThreadPool"}
RULES: dict[Callable[[Any], bool], tuple[type[ast.AST], ...]] = {}
"""What each rule is about, by the kinds of nodes that it is asked about."""


def rule(*kinds: type[ast.AST]) -> Callable[[Callable[[Any], bool]], Callable[[Any], bool]]:
    """Have a function asked about each node of these kinds, of every module."""

    def keep(asked: Callable[[Any], bool]) -> Callable[[Any], bool]:
        RULES[asked] = kinds
        return asked

    return keep


@cache
def found() -> dict[Callable[[Any], bool], list[tuple[str, str]]]:
    """Return the nodes that each rule picks: module and place. One walk over all modules, which takes seconds."""
    of_kind: defaultdict[type[ast.AST], list[Callable[[Any], bool]]] = defaultdict(list)
    for asked, kinds in RULES.items():
        for kind in kinds:
            of_kind[kind].append(asked)
    picked: dict[Callable[[Any], bool], list[tuple[str, str]]] = {asked: [] for asked in RULES}
    for path in FILES:
        module = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for asked in of_kind.get(type(node), ()):
                if asked(node):
                    name = getattr(node, "name", "")
                    picked[asked].append((module, f"{path}:{getattr(node, 'lineno', 1)} {name}"))
    return picked


def places(asked: Callable[[Any], bool]) -> list[str]:
    """Return where a rule picks something."""
    return [place for _, place in found()[asked]]


def modules(asked: Callable[[Any], bool]) -> set[str]:
    """Return in which modules a rule picks something."""
    return {module for module, _ in found()[asked]}


def test_files_stay_readable() -> None:
    long = {str(path): n for path in FILES if (n := path.read_text().count("\n")) > LONGEST_FILE_LINES}
    assert not long


@rule(ast.FunctionDef, ast.AsyncFunctionDef)
def is_long(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION_LINES


def test_functions_stay_readable() -> None:
    assert not places(is_long)


@rule(ast.Module)
def has_no_story(node: ast.Module) -> bool:
    return bool(node.body) and not ast.get_docstring(node)


@rule(ast.Module)
def is_empty(node: ast.Module) -> bool:
    return not node.body


def test_modules_have_a_story_and_a_plain_name() -> None:
    assert not places(has_no_story)
    assert {module.rpartition("/")[2] for module in modules(is_empty)} <= {"__init__.py"}
    for path in FILES:
        assert path.stem not in VAGUE, path


@rule(ast.Call)
def is_silent_notice(node: ast.Call) -> bool:
    return getattr(node.func, "id", None) == "Notice" and "about" not in {keyword.arg for keyword in node.keywords}


def test_every_notice_says_what_it_is_about() -> None:
    assert not places(is_silent_notice)


@rule(ast.Call)
def starts_thread(node: ast.Call) -> bool:
    return (getattr(node.func, "attr", None) or getattr(node.func, "id", None)) in THREAD_STARTERS


def test_only_the_loop_starts_threads() -> None:
    assert modules(starts_thread) == {"kit/base/loop.py"}


PROCESS_STARTERS = (
    {("subprocess", name) for name in ("Popen", "run", "call", "check_call", "check_output", "getoutput")}
    | {
        ("os", name)
        for name in (
            *("fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp"),
            *(f"{how}{end}" for how in ("exec", "spawn") for end in ("v", "ve", "vp", "vpe", "l", "le", "lp", "lpe")),
        )
    }
    | {("pty", "spawn"), ("pty", "fork"), ("asyncio", "create_subprocess_exec"), ("asyncio", "create_subprocess_shell")}
)
START_PROCESSES = {
    "kit/base/process.py": "the one place: a session of its own, a deadline, whom it becomes",
    "kit/base/interpreter.py": "takes the place of itself, isolated",
    "kit/base/people/privilege_drop.py": "takes the place of itself, once it is the person",
    "jobs/cli/bare/child.py": "the command of exec is the person's own child, in their terminal",
    "automation/rules/channels/command_supervisor.py": "a program that stands alone: what it starts is its own child, which it answers for",
    "registry/server/process.py": "the server's child is made of what the keeper has loaded already",
}


@rule(ast.Call)
def starts_process(node: ast.Call) -> bool:
    func = node.func
    return isinstance(func, ast.Attribute) and (getattr(func.value, "id", None), func.attr) in PROCESS_STARTERS


@rule(ast.Attribute, ast.Import, ast.ImportFrom, ast.Name)
def starts_python(node: ast.Attribute | ast.Import | ast.ImportFrom | ast.Name) -> bool:
    """Say whether this interpreter is named, or started by a library that knows nothing of isolation."""
    if isinstance(node, ast.Attribute):
        return node.attr in {"executable", "_base_executable"} and getattr(node.value, "id", None) == "sys"
    if isinstance(node, ast.Name):
        return node.id == "QProcess"
    names = [name.name for name in node.names]
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return any(name.partition(".")[0] in {"multiprocessing", "concurrent.futures.process"} for name in names)


def test_child_processes_are_started_in_one_place() -> None:
    assert modules(starts_process) == set(START_PROCESSES)


def test_python_is_started_isolated_everywhere() -> None:
    """Neither the program nor the set-up runs code of the folder where somebody stands."""
    assert modules(starts_python) == {"kit/base/interpreter.py"}
    root = PACKAGE.parent
    scripts = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert set(scripts["scripts"].values()) | set(scripts["gui-scripts"].values()) == {"mlops_desk.__main__:main"}
    tries_the_checkout = {root / f"packaging/desk_setup/{name}.py" for name in ("checks", "suites")}
    for path in sorted({*(root / "packaging").rglob("*.py")} - tries_the_checkout):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = [getattr(word, "value", None) for word in node.elts] if isinstance(node, ast.List) else []
            if not {"-m", "-c"} & {str(word) for word in words} or "python" not in ast.unparse(node):
                continue
            assert "-I" in words, f"{path}:{node.lineno}"
    launchers = [root / "packaging/deb/files/launcher", root / "packaging/desk_setup/environment.py"]
    for path in launchers:
        lines = [line for line in path.read_text().splitlines() if line.startswith("exec ")]
        assert len(lines) == 1
        assert " -I -m mlops_desk " in lines[0].replace('"', " ").replace("  ", " "), lines
    assert "PYTHON" not in launchers[0].read_text()  # it would go along to what a person runs


@rule(ast.ExceptHandler)
def is_swallowed(node: ast.ExceptHandler) -> bool:
    catches_all = node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"}
    return catches_all and all(isinstance(statement, (ast.Pass, ast.Continue)) for statement in node.body)


NEVER_WAIT = {
    "kit/base/disk/files.py": "the one place: plain files alone",
    "desk/doctor.py": "the kernel's own log",
    "machine/telemetry/host/machine.py": "likewise",
    "jobs/staging/copier.py": "a file or a folder; what else it is, is refused before it is read",
    "jobs/staging/file_copy.py": "a file of the cache, to be written",
    "kit/storage/audit/anchors.py": "a file of heads that is made where there is none, and looked at by what was opened",
}
OTHERS_FILES = (
    *("registry/foreign/", "registry/trackers/trackers.py", "registry/artifacts/", "registry/transfer/archive.py"),
    *(
        "automation/rules/pipeline/hashing.py",
        "automation/watch_workers/dvc_worker.py",
        "jobs/provenance/data.py",
        "jobs/provenance/source/folder.py",
    ),
    *(
        "drift/data/file_formats.py",
        "drift/profile/file_format.py",
        "serving/image/model_files.py",
        "governance/evidence/worker.py",
    ),
)
"""What reads files that lie in folders of persons and strangers, where a pipe may have the name of a file."""


@rule(ast.Attribute)
def opens_what_may_wait(node: ast.Attribute) -> bool:
    return node.attr == "O_NONBLOCK"


@rule(ast.Call)
def opens_anything(node: ast.Call) -> bool:
    func, first = node.func, node.args[0] if node.args else None
    if not isinstance(func, ast.Attribute):
        return isinstance(func, ast.Name) and func.id == "open"
    is_read = isinstance(first, ast.Constant) and first.value in {"r", "rb"}
    return func.attr in {"read_bytes", "read_text"} or (func.attr == "open" and is_read)


def test_files_of_others_are_opened_in_one_place_where_nothing_is_waited_for() -> None:
    assert modules(opens_what_may_wait) == set(NEVER_WAIT)
    careless = {name for name in modules(opens_anything) if name.startswith(OTHERS_FILES)}
    # Of what is open already, or, of drift's tables, the copy in UTF-8 whose reading has begun.
    assert careless == {
        "registry/artifacts/view.py",
        "registry/artifacts/views/archives.py",
        "drift/data/file_formats.py",
    }


def test_no_error_is_swallowed_in_silence() -> None:
    assert not places(is_swallowed)


LEARNING = {"msgspec.convert"} | {
    f"msgspec.{form}.{name}" for form in ("json", "msgpack", "toml", "yaml") for name in ("decode", "Decoder")
}


@rule(ast.Call)
def learns_type(node: ast.Call) -> bool:
    name = getattr(node.func, "attr", None)
    return name in {"convert", "decode", "Decoder"} and ast.unparse(node.func) in LEARNING


def test_types_are_learned_in_one_place_where_one_thread_at_a_time_does_it() -> None:
    assert modules(learns_type) == {"kit/base/wire.py"}


PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


@rule(ast.Import, ast.ImportFrom)
def unpickles(node: ast.Import | ast.ImportFrom) -> bool:
    return bool({(getattr(node, "module", None) or "").partition(".")[0], *(a.name for a in node.names)} & PICKLERS)


def test_nothing_is_unpickled_here() -> None:
    assert not places(unpickles)


def test_each_rule_picks_what_it_is_about() -> None:
    bad = ["threading.Thread()", "subprocess.run([])", 'msgspec.json.decode(b"")', 'Notice("alert")', "import pickle",
               "sys.executable", "os.O_NONBLOCK", 'path.open("rb")']  # fmt: skip
    swallowed = ["try:", "    pass", "except Exception:", "    pass"]
    text = "\n".join(["def long():", *["    pass"] * LONGEST_FUNCTION_LINES, *bad, *swallowed])
    nodes = [ast.parse(""), *ast.walk(ast.parse(text))]
    assert all(any(isinstance(node, kinds) and asked(node) for node in nodes) for asked, kinds in RULES.items())


def loaded_on_demand(module: str) -> dict[str, Any]:
    """Return what a module imports for its annotations alone."""
    body = ast.parse((PACKAGE / module).read_text()).body
    (block,) = [node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    names: dict[str, Any] = {}
    exec("\n".join(map(ast.unparse, block.body)), names)
    return names


@pytest.mark.parametrize("service", sorted(PROTOCOLS))
def test_each_service_implements_its_verbs_to_the_letter(service: str) -> None:
    from mlops_desk.desk.desk import Desk

    protocols = {protocol.__name__: protocol for protocol in PROTOCOLS.values()} | loaded_on_demand("desk/desk.py")
    implementation = get_type_hints(Desk, localns=protocols)[service]
    for verb in verbs_of(service, PROTOCOLS[service]):
        declared = inspect.signature(getattr(PROTOCOLS[service], verb.name))
        given = inspect.signature(getattr(implementation, verb.name))
        shape = [(p.name, p.kind, p.default) for p in declared.parameters.values()]
        assert [(p.name, p.kind, p.default) for p in given.parameters.values()] == shape, verb.path


MADE_ANEW = {
    "/v1/agent/shutdown": "the answer is about the agent that ends",
    "/v1/alerts/try_webhook": "changes nothing here",
    "/v1/ci/run": "makes a run",
    "/v1/pipelines/learning_curve": "makes trainings, and changes none",
    "/v1/ci/promote": "the words of a policy are shown by the approval that it answers with",
    "/v1/bare/claim": "makes a job of a process",
    "/v1/registry/import_runs": "makes runs, and changes none",
    "/v1/registry/migrate": "makes a store, where there is none of that name",
    "/v1/drift/check": "makes a report",
    "/v1/monitors/create": "makes a monitor, where there is none of that name",
    "/v1/endpoints/compare": "measures, and changes nothing",
    "/v1/images/build": "makes a task",
    "/v1/images/pull": "makes a task",
    "/v1/gpus/note": "leaves a note",
    "/v1/approvals/ask": "makes a request, and moves nothing that wants somebody's word",
    "/v1/models/download": "makes files, where there are none of that name",
    "/v1/runs/download": "makes files, where there are none of that name",
    "/v1/gpus/reserve": "makes a booking",
    "/v1/gpus/tell_when_free": "only asks to be told",
    "/v1/registry/clean": "takes exactly what was shown, by the token of what shows it",
    "/v1/registry/verify": "changes nothing but what is known of the files",
    "/v1/registry/export": "makes a file",
    "/v1/registry/import": "makes a version",
    "/v1/registry/fix": "its answer says what was done; what was wrong before takes a minute to find",
    "/v1/jobs/save_template": "makes a template, and takes no name that is there",
    "/v1/jobs/submit": "makes a job",
    "/v1/jobs/rerun": "makes a job",
    "/v1/jobs/submit_import": "makes a job",
    "/v1/models/register": "makes a version",
    "/v1/registry/page": "makes a way in for a browser",
    "/v1/data/register": "makes an entry, where there is none of that name",
    "/v1/data/retain": "takes exactly what was shown, by the token of what shows it",
}
"""The changes that have nothing to show from before."""
MADE_OF = {
    "/v1/endpoints/try": "asks the model of the endpoint that is shown, whose owner may",
    "/v1/endpoints/replay": "asks a model of the endpoint that is shown, whose owner may",
    "/v1/endpoints/export": "makes files of the endpoint that is shown, whose owner may",
    "/v1/endpoints/feedback": "adds to the log of the endpoint that is shown, whose owner may",
    "/v1/endpoints/token": "opens the endpoint that is shown, whose owner may",
    "/v1/jobs/clear_cache": "takes what is one's own out of what is shown",
    "/v1/jobs/export": "makes a file of the job that is shown, whose owner may",
    "/v1/jobs/shell": "opens a shell in the job that is shown, whose owner may",
    "/v1/labels/import": "adds to the log of the endpoint that is shown, whose owner may",
    "/v1/labels/set": "adds to the log of the endpoint that is shown, whose owner may",
    "/v1/data/rewrite": "rewrites the log whose rules are shown, exactly what was shown of it, by its token",
    "/v1/rules/fire": "makes a retraining of the rule that is shown, whose owner may",
}
"""The changes that show what something new is made of."""


def is_kind_of(returned: Any, shown: Any) -> bool:
    return returned == shown or (isinstance(returned, type) and issubclass(returned, shown))


@pytest.mark.parametrize("service", sorted(PROTOCOLS))
def test_each_change_of_a_thing_names_the_verb_that_shows_how_it_was(service: str) -> None:
    verbs = {verb.name: verb for verb in verbs_of(service, PROTOCOLS[service])}
    for verb in verbs.values():
        if not verb.mark.changes:
            continue
        assert (verb.mark.before is None) == (verb.path in MADE_ANEW), verb.path
        if verb.mark.before is not None:
            shows = verbs[verb.mark.before]
            needed = {parameter.name for parameter in shows.parameters if parameter.required}
            assert not shows.mark.changes
            if verb.path not in MADE_OF:
                assert is_kind_of(verb.returns, shows.returns), "the same kind of thing, before and after"
            assert needed <= {parameter.name for parameter in verb.parameters}, verb.path


HEAVY = {
    "PySide6", "pyqtgraph", "sqlalchemy", "alembic", "mlflow", "docker", "pynvml", "pandas", "numpy", "scipy",
    "duckdb", "fastapi", "uvicorn", "pydantic", "psutil",
}  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import mlops_desk.desk.cli, mlops_desk.desk.cli.commands, mlops_desk.desk.cli.output, mlops_desk.kit.api.client",
        "import mlops_desk.desk.agent_process",
        "import mlops_desk.machine.records.event, mlops_desk.kit.verbs.desk, mlops_desk.kit.base.loop, mlops_desk.kit.base.settings",
    ],
)
def test_what_starts_often_imports_nothing_heavy(code: str) -> None:
    show = f"{code}; import sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_layer_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout
