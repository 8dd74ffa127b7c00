"""How the set-up runs tests: what fails runs once more alone, few may be flaky, and nothing is left out unseen."""

import contextlib
import os
import sys
from pathlib import Path

import pytest
from desk_setup import checks, left_out
from desk_setup.account import Account
from desk_setup.checks import Outcome, Suite

pytestmark = pytest.mark.timeout(400)  # most start pytest several times
PACKAGING = Path(checks.__file__).resolve().parents[1]

FAILS_AT_FIRST = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(NUMBER))
def test_hasty(number):
    seen = Path(__file__).with_name(f"seen-{number}")
    first = not seen.exists()
    seen.touch()
    assert not first
"""
FAILS_IN_A_FIXTURE = """
from pathlib import Path
import pytest

@pytest.fixture(autouse=True)
def hasty():
    seen = Path(__file__).with_name("seen")
    first = not seen.exists()
    seen.touch()
    assert not (first and "PHASE" == "setup")
    yield
    assert not (first and "PHASE" == "teardown")

def test_fine():
    pass
"""
FAILS_EACH_TIME_ANEW = """
from pathlib import Path

def test_broken():
    with Path(__file__).with_name("times").open("a+") as file:
        file.write(".")
        file.seek(0)
        raise ValueError(f"it was run {len(file.read())} times")
"""
BREAKS_OFF_LATER = """
import os
from pathlib import Path

def test_broken():
    seen = Path(__file__).with_name("seen")
    if seen.exists():
        os._exit(3)
    seen.touch()
    assert False
"""
FAILS = "def test_broken():\n    assert False\n"
PASSES = "def test_fine():\n    pass\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Write test files, run them as the set-up does, and return whether they passed; `outcome` goes on from run to run."""
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "BUILD", tmp_path / "build")
    (tmp_path / "build").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ran = []
    monkeypatch.setattr(checks, "_run", lambda check, env, real=checks._run: ran.append(check) or real(check, env))

    def begin(outcome, report="test-report", at_once=(), which=(), **files):
        for name, text in files.items():
            (tmp_path / f"test_{name}.py").write_text(text)
        command = [sys.executable, "-P", "-m", "pytest", "-p", "desk_setup.bookkeeper"]
        names = tuple(f"test_{name}.py" for name in files)
        tests = Suite("Some tests.", command, {"PYTHONPATH": str(PACKAGING)}, report, (*names, *which), at_once)
        del ran[:]
        # In the usual folder the first of these with several processes would end by deleting what other runs have left
        # there, for which it waits: the files of all tests of the core, minutes on a busy disk.
        env = {"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_DEBUG_TEMPROOT": str(tmp_path)}
        return checks._tests_pass(tests, env, outcome)

    begin.ran = ran
    return begin


def test_what_fails_and_then_passes_alone_is_flaky_and_told_last(run, tmp_path):
    outcome = Outcome()
    assert run(outcome, hasty=FAILS_AT_FIRST.replace("NUMBER", "1"), fine=PASSES)
    assert outcome.flaky == ["test_hasty.py::test_hasty[0]"]
    assert len(run.ran) == 2
    assert "test_hasty.py::test_hasty[0]" in outcome.sentences(strict=False)[-1]
    assert not outcome.failed
    first, second = ((tmp_path / "build" / name).read_text() for name in ("test-report.xml", "test-report-again.xml"))
    assert 'tests="2"' in first
    assert 'failures="1"' in first, "what failed at first stays to be read"
    assert 'tests="1"' in second
    assert 'failures="0"' in second


def test_what_fails_twice_has_failed(run):
    outcome = Outcome()
    assert not run(outcome, broken=FAILS)
    assert len(run.ran) == 2
    assert outcome.flaky == []


@pytest.mark.parametrize(
    ("which", "code"),
    [(("-k", "nothing_of_that_name"), 5), (("--no-such-option",), 4), (("--maxfail=1", "test_interrupts.py"), 2)],
)
def test_a_run_that_broke_off_is_not_tried_again(run, tmp_path, which, code):
    (tmp_path / "test_interrupts.py").write_text("def test_one():\n    raise KeyboardInterrupt\n")
    assert not run(Outcome(), which=which, fine=PASSES)
    assert len(run.ran) == 1, f"after exit code {code} a second run proves nothing"


def test_a_failure_is_told_at_once(run, capfd):
    later = "import sys\n\ndef test_later(capfd):\n    with capfd.disabled():\n        print('later', flush=True)\n"
    run(Outcome(), broken=FAILS, later=later)
    first = capfd.readouterr().out.partition("== FAILED")[0]
    assert first.index("FAILED test_broken.py::test_broken") < first.index("assert False") < first.index("later")


def test_a_run_that_has_an_end_tries_fewer_examples_and_runs_again_what_failed_whatever_the_time(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "BUILD", tmp_path)
    monkeypatch.setattr(checks.without_qt, "ensure", lambda venv: venv)
    core, others = checks.all_checks({"CI": "true", "TESTS_BEGIN_UNTIL": "1764573276"})[-2:]
    assert "--hypothesis-profile=short" in core.first().command
    assert "--begin-until" not in core.first().command
    command = others.first().command
    assert "--hypothesis-profile=short" in command
    assert command[command.index("--begin-until") + 1] == "1764573276"
    assert "--begin-until" not in others.once_more(["tests/test_a.py::test_x"]).command
    without = [check.first().command for check in checks.all_checks({"CI": "true"})[-2:]]
    assert not [part for command in without for part in command if "begin-until" in part or "profile" in part]


def test_what_did_not_begin_in_time_is_counted_and_no_failure(tmp_path):
    left = {f"tests/test_a.py::test_{letter}": "not begun: the time of this run was up" for letter in "xyz"}
    said = Outcome(accounts=[Account(["tests/test_b.py::test_x"]), Account(skipped=left)])
    assert "The time was up before 3 tests of 1 files began." in said.sentences(strict=False)[0]
    assert list(left_out.complaints(said.accounts, folder_of(tmp_path, "test_a.py", "test_b.py"))) == []


def test_only_this_runs_failures_run_once_more(run):
    assert not run(Outcome(), broken=FAILS)  # which pytest remembers
    assert run(Outcome(), report="other", hasty=FAILS_AT_FIRST.replace("NUMBER", "1"))
    assert run.ran[1].command[-1].startswith("@")
    assert Path(run.ran[1].command[-1][1:]).read_text() == "test_hasty.py::test_hasty[0]\n"


def test_twenty_flaky_tests_of_both_halves_pass_and_one_more_fails_the_run(run):
    outcome = Outcome()
    assert run(outcome, report="one", hasty=FAILS_AT_FIRST.replace("NUMBER", "8"))
    assert run(outcome, report="half", slow=FAILS_AT_FIRST.replace("NUMBER", "12").replace("seen-", "later-"))
    assert outcome.sentences(strict=False)[-1].count("test_hasty") == 28
    assert outcome.failed == []
    assert not run(outcome, report="two", again=FAILS_AT_FIRST.replace("NUMBER", "1").replace("seen-", "other-"))
    assert len(run.ran) == 1


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_what_a_fixture_does_at_first_alone_is_flaky_too(run, phase):
    fixture = FAILS_IN_A_FIXTURE.replace("PHASE", phase)
    outcome = Outcome()
    assert run(outcome, hasty=fixture)
    assert outcome.flaky == ["test_hasty.py::test_fine"]
    assert len(run.ran) == 2


@pytest.mark.parametrize("at_once", [(), ("-p", "xdist", "-n", "2")])
def test_what_fails_again_is_told_last_with_the_second_runs_own_text(run, at_once):
    outcome = Outcome()
    assert not run(outcome, at_once=at_once, broken=FAILS_EACH_TIME_ANEW, hasty=FAILS_AT_FIRST.replace("NUMBER", "1"))
    assert [*outcome.broken] == ["test_broken.py::test_broken"]
    assert "it was run 2 times" in outcome.broken["test_broken.py::test_broken"]
    assert "it was run 1 times" not in outcome.broken["test_broken.py::test_broken"]
    assert outcome.flaky == ["test_hasty.py::test_hasty[0]"]
    (told,) = [one for one in outcome.sentences(strict=False) if one.startswith("\nTests that failed:")]
    assert "test_broken.py::test_broken" in told
    assert "it was run 2 times" in told


def test_an_error_of_a_fixture_that_stays_is_told_as_such(run):
    outcome = Outcome()
    assert not run(outcome, broken="import pytest\n@pytest.fixture(autouse=True)\ndef no():\n    1 / 0\n" + PASSES)
    assert outcome.broken["test_broken.py::test_fine"].startswith("in its setup:\n")
    assert "ZeroDivisionError" in outcome.broken["test_broken.py::test_fine"]


def test_where_the_second_run_breaks_off_the_first_ones_text_is_told(run):
    outcome = Outcome()
    assert not run(outcome, broken=BREAKS_OFF_LATER)
    assert "assert False" in outcome.broken["test_broken.py::test_broken"]
    assert outcome.flaky == []


def test_too_many_failures_are_not_run_again_and_each_is_told(run):
    outcome = Outcome()
    assert not run(outcome, hasty=FAILS_AT_FIRST.replace("NUMBER", "21"))
    assert len(run.ran) == 1
    assert len(outcome.broken) == 21


def test_a_file_that_does_not_load_is_run_once_more_and_named(run):
    assert not run(Outcome(), unloadable="import no_such_module\n")
    assert len(run.ran) == 1, "pytest calls it an interruption"


@pytest.mark.parametrize("at_once", [(), ("-p", "xdist", "-n", "2")])
def test_what_was_left_out_is_told_by_the_account(run, tmp_path, at_once):
    skips = "import pytest\n@pytest.mark.skip(reason='no tide')\ndef test_sea():\n    pass\n" + PASSES
    outcome = Outcome()
    assert run(
        outcome,
        at_once=at_once,
        which=("-k", "not deselected"),
        sea=skips,
        other=f"{PASSES}\n\ndef test_deselected():\n    pass\n",
    )
    (account,) = outcome.accounts
    assert account.skipped == {"test_sea.py::test_sea": "no tide"}
    assert account.deselected == 1
    assert sorted(account.ran) == ["test_other.py::test_fine", "test_sea.py::test_fine"]
    assert account.failed == []


LEAVE = (left_out.Leave("no tide", 1, "the moon"),)


def folder_of(tmp_path, *names):
    folder = tmp_path / "tests"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (Account(["tests/test_a.py::test_x"]), []),
        (Account(["tests/test_a.py::test_x"], skipped={"tests/test_a.py::test_y": "no tide today"}), []),
        (
            Account(skipped={"tests/test_a.py::test_y": "no tide", "tests/test_a.py::test_z": "no tide"}),
            ["2 skipped, 1 may be (no tide): tests/test_a.py::test_y, tests/test_a.py::test_z"],
        ),
        (
            Account(skipped={"tests/test_a.py::test_y": "no wind"}),
            ["skipped without leave: tests/test_a.py::test_y (no wind)"],
        ),
        (Account(["tests/test_a.py::test_x"], deselected=2), ["2 tests kept out by a marker, 0 may be"]),
        (Account(), ["1 files from which no test came, 0 may be: tests/test_a.py"]),
    ],
)
def test_one_more_than_may_be_left_out_is_a_complaint(tmp_path, account, said):
    assert list(left_out.complaints([account], folder_of(tmp_path, "test_a.py"), LEAVE)) == said


def test_what_was_left_out_fails_only_where_it_is_strict(monkeypatch):
    monkeypatch.setattr(left_out, "complaints", lambda _accounts: iter(["one skipped"]))
    lenient, strict = Outcome(accounts=[Account()]), Outcome(accounts=[Account()])
    assert "one skipped" in lenient.sentences(strict=False)[0]
    assert lenient.failed == []
    assert "one skipped" in strict.sentences(strict=True)[0]
    assert strict.failed == ["More was left out than packaging/desk_setup/left_out.py allows."]


def test_each_skip_that_may_be_has_a_reason():
    assert all(leave.why and leave.words and leave.at_most > 0 for leave in left_out.SKIPS)


def test_the_tests_begin_when_their_bytecode_is_made_which_the_checks_before_do_not_wait_for(monkeypatch):
    order = []

    class Collection:
        def wait(self):
            order.append("collected")

    monkeypatch.setattr(checks.screen, "private", lambda env: contextlib.nullcontext({}))
    monkeypatch.setattr(checks, "_begin_collection", lambda env: order.append("begins") or Collection())
    monkeypatch.setattr(checks, "all_checks", lambda env: [checks.Check("Types.", []), Suite("Tests.", [])])
    monkeypatch.setattr(checks, "_run", lambda check, env: order.append(check.told) or 0)
    monkeypatch.setattr(checks, "_tests_pass", lambda suite, env, outcome: order.append(suite.told) or True)
    assert checks.run_all([], {}) == 0
    assert order == ["begins", "Types.", "collected", "Tests."]


def test_a_collection_leaves_the_bytecode_that_the_tests_then_load(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "_python", lambda _venv: [sys.executable, "-P"])
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(PASSES)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    assert checks._begin_collection(env).wait(60) == 0
    assert [path.name.split(".")[0] for path in (tmp_path / "tests" / "__pycache__").iterdir()] == ["test_one"]
