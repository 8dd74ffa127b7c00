"""How tests are run: what fails runs once more alone, few may be of that kind, and nothing is left out unseen."""

import contextlib
import os
import sys
from pathlib import Path

import pytest
from desk_setup import checks, suites
from desk_setup.account import Account
from desk_setup.suites import Outcome, Suite

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
    monkeypatch.setattr(suites, "BUILD", tmp_path / "build")
    (tmp_path / "build").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ran = []
    monkeypatch.setattr(suites, "carry_out", lambda check, env: ran.append(check) or checks.carry_out(check, env))

    def begin(outcome, report="test-report", at_once=(), which=(), **files):
        for name, text in files.items():
            (tmp_path / f"test_{name}.py").write_text(text)
        command = [sys.executable, "-P", "-m", "pytest", "-p", "desk_setup.bookkeeper"]
        names = tuple(f"test_{name}.py" for name in files)
        tests = Suite("Some tests.", command, report, (*names, *which), at_once)
        del ran[:]
        # In the usual folder the first of these with several processes would end by deleting what other runs have left
        # there, for which it waits: the files of all tests of the core, minutes on a busy disk.
        env = {"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_DEBUG_TEMPROOT": str(tmp_path)}
        return suites.tests_pass(tests, env, outcome)

    begin.ran = ran
    return begin


@pytest.mark.slow
def test_what_fails_and_then_passes_alone_is_flaky_and_told_last(run, tmp_path):
    outcome = Outcome()
    assert run(outcome, hasty=FAILS_AT_FIRST.replace("NUMBER", "1"), fine=PASSES)
    assert outcome.flaky == ["test_hasty.py::test_hasty[0]"]
    assert len(run.ran) == 2
    assert "test_hasty.py::test_hasty[0]" in outcome.sentences()[-1]
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


@pytest.mark.slow
def test_a_failure_is_told_at_once(run, capfd):
    later = "import sys\n\ndef test_later(capfd):\n    with capfd.disabled():\n        print('later', flush=True)\n"
    run(Outcome(), broken=FAILS, later=later)
    first = capfd.readouterr().out.partition("== FAILED")[0]
    assert first.index("FAILED test_broken.py::test_broken") < first.index("assert False") < first.index("later")


def test_only_this_runs_failures_run_once_more(run):
    assert not run(Outcome(), broken=FAILS)  # which pytest remembers
    assert run(Outcome(), report="other", hasty=FAILS_AT_FIRST.replace("NUMBER", "1"))
    assert run.ran[1].command[-1].startswith("@")
    assert Path(run.ran[1].command[-1][1:]).read_text() == "test_hasty.py::test_hasty[0]\n"


@pytest.mark.slow
def test_three_tests_that_passed_only_the_second_time_may_be_and_one_more_fails_the_run(run):
    outcome = Outcome()
    assert run(outcome, report="one", hasty=FAILS_AT_FIRST.replace("NUMBER", "1"))
    assert run(outcome, report="half", slow=FAILS_AT_FIRST.replace("NUMBER", "2").replace("seen-", "later-"))
    assert len(outcome.flaky) == 3
    assert "All checks passed." in "".join(outcome.sentences())
    assert not run(outcome, report="two", again=FAILS_AT_FIRST.replace("NUMBER", "1").replace("seen-", "other-"))
    assert len(run.ran) == 1


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_what_a_fixture_does_at_first_alone_is_flaky_too(run, phase):
    fixture = FAILS_IN_A_FIXTURE.replace("PHASE", phase)
    outcome = Outcome()
    assert run(outcome, hasty=fixture)
    assert outcome.flaky == ["test_hasty.py::test_fine"]
    assert len(run.ran) == 2


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [(), ("-p", "xdist", "-n", "2")])
def test_what_fails_again_is_told_last_with_the_second_runs_own_text(run, at_once):
    outcome = Outcome()
    assert not run(outcome, at_once=at_once, broken=FAILS_EACH_TIME_ANEW, hasty=FAILS_AT_FIRST.replace("NUMBER", "1"))
    assert [*outcome.broken] == ["test_broken.py::test_broken"]
    assert "it was run 2 times" in outcome.broken["test_broken.py::test_broken"]
    assert "it was run 1 times" not in outcome.broken["test_broken.py::test_broken"]
    assert outcome.flaky == ["test_hasty.py::test_hasty[0]"]
    (told,) = [one for one in outcome.sentences() if one.startswith("\nTests that failed:")]
    assert "test_broken.py::test_broken" in told
    assert "it was run 2 times" in told


@pytest.mark.slow
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
    assert not run(outcome, hasty=FAILS_AT_FIRST.replace("NUMBER", "4"))
    assert len(run.ran) == 1
    assert len(outcome.broken) == 4


def test_a_file_that_does_not_load_is_run_once_more_and_named(run):
    assert not run(Outcome(), unloadable="import no_such_module\n")
    assert len(run.ran) == 1, "pytest calls it an interruption"


@pytest.mark.slow
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


@pytest.fixture
def gate(monkeypatch):
    """Run the gate on checks and suites that only tell that they were run; return its exit code and what ran in order."""

    def begin(env, *, engine=True, skipped=()):
        order = []

        class Collection:
            def wait(self):
                order.append("collected")

        def passes(suite, env, outcome):
            order.append(suite.told)
            outcome.accounts.append(Account(skipped=dict(skipped)))
            return True

        for name in ("quick_core", "quick_windows", "journeys"):
            monkeypatch.setattr(suites, name, lambda name=name: Suite(name, [], name))
        monkeypatch.setattr(suites.screen, "private", lambda env: contextlib.nullcontext({}))
        monkeypatch.setattr(suites, "_begin_collection", lambda env: order.append("begins") or Collection())
        monkeypatch.setattr(checks, "static_checks", lambda: [checks.Check("Types.", [])])
        monkeypatch.setattr(checks, "engine_answers", lambda env: engine)
        monkeypatch.setattr(
            suites, "carry_out", lambda check, env: order.append(check.told) or checks.Done(check.told, 0, 1.0)
        )
        monkeypatch.setattr(suites, "tests_pass", passes)
        return suites.gate(env), order

    return begin


def test_the_gate_runs_checks_quick_tests_and_journeys_in_this_order(gate):
    assert gate({}) == (0, ["begins", "Types.", "collected", "quick_core", "quick_windows", "journeys"])


def test_without_an_engine_the_gate_tries_no_journey_and_says_how_to_have_one(gate, capsys):
    code, order = gate({}, engine=False)
    assert code == 0
    assert order[-1] == "quick_windows"
    assert "apt install docker.io" in capsys.readouterr().out


def test_where_ci_is_set_a_gate_without_journeys_fails(gate):
    assert gate({"CI": "true"}, engine=False)[0] == 1
    assert gate({"CI": "true"})[0] == 0


def test_where_ci_is_set_nothing_of_the_gate_may_be_skipped(gate, capsys):
    left_out = {"tests/unit/test_a.py::test_sea": "no tide"}
    assert gate({}, skipped=left_out)[0] == 0
    assert "   1  no tide" in capsys.readouterr().out
    assert gate({"CI": "true"}, skipped=left_out)[0] == 1


def test_the_table_counts_each_rooms_tests_by_what_became_of_them():
    accounts = [
        Account(
            failed=["tests/unit/jobs/test_a.py::test_b", "tests/unit/jobs/test_a.py::test_f"],
            skipped={"tests/end2end/test_podman.py::test_d": "no podman"},
            seconds={
                **{f"tests/unit/jobs/test_a.py::test_{letter}": 30.0 for letter in "abf"},
                "tests/end2end/test_podman.py::test_d": 0.0,
            },
        )
    ]
    told = suites.table(Outcome(accounts=accounts, flaky=["tests/unit/jobs/test_a.py::test_f"])).splitlines()
    rows = {row.split()[0]: row.split()[1:] for row in told if row}
    assert rows["engines"] == ["1", "0", "0", "1", "0.0"]
    assert rows["jobs"] == ["3", "2", "1", "0", "1.5"]
    assert rows["all"] == ["4", "2", "1", "1", "1.5"]
    assert told[-1] == "  left out: tests/end2end/test_podman.py::test_d: no podman"


def test_all_files_of_the_whole_run_are_in_one_of_its_suites(tmp_path, monkeypatch):
    monkeypatch.setattr(suites, "BUILD", tmp_path)
    monkeypatch.setattr(suites.without_qt, "ensure", lambda venv: venv)
    files = ["tests/unit/jobs/test_a.py", "tests/ui/test_b.py", "tests/end2end/test_c.py", "tests/shape/test_d.py"]
    assert ["--hypothesis-seed=7" in suite.which for suite in suites.whole_suites(files, 7, {"CI": "true"})] == [
        True,
        True,
    ]
    assert (tmp_path / "files-core.txt").read_text().split() == files[:1]
    assert (tmp_path / "files.txt").read_text().split() == files[1:3], "the rules of the shape are among the checks"
    assert suites.whole_suites([], 7, {"CI": "true"}) == []


def test_a_collection_leaves_the_bytecode_that_the_tests_then_load(tmp_path, monkeypatch):
    monkeypatch.setattr(suites, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "python", lambda _venv: [sys.executable, "-P"])
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(PASSES)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    assert suites._begin_collection(env).wait(60) == 0
    assert [path.name.split(".")[0] for path in (tmp_path / "tests" / "__pycache__").iterdir()] == ["test_one"]


def test_bytecode_is_kept_though_the_caller_keeps_none(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OF_THE_CALLER", "kept")
    env = checks.environment_for_tests()
    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert env["OF_THE_CALLER"] == "kept"
