"""The command line is the declared verbs; other programs rely on its words."""

import argparse
import functools
import io
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.desk.cli.help import help_of
from mlops_desk.desk.cli.main import main
from mlops_desk.desk.cli.parser import arguments_of, build, parse
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.cli.global_options import command_of, window_words
from mlops_desk.kit.verbs import PROTOCOLS
from mlops_desk.kit.verbs.declaration import (
    MOST_LISTED,
    FolderOf,
    Length,
    Moment,
    Option,
    Parameter,
    Ticket,
    Verb,
    verbs_of,
)
from mlops_desk.machine.events.service import KEPT
from mlops_desk.machine.telemetry.history.curves import BUCKETS_LIMIT


@functools.cache
def whole() -> argparse.ArgumentParser:
    """Return the command line with all of its words, which a tenth of a second goes into."""
    return build()


def parsed(*words: str) -> tuple[str, dict[str, object]]:
    given = parse(words)
    return f"{given.verb.service}.{given.verb.name}", arguments_of(given.verb, given)


def test_submit_sends_the_files_text_and_its_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.yaml").write_text("name: x")
    monkeypatch.chdir(tmp_path)
    sent = {"spec": "name: x", "folder": str(tmp_path), "runtime": None, "changed": None}
    assert parsed("jobs", "submit", "job.yaml") == ("jobs.submit", sent)
    assert parsed("jobs", "submit", "job.yaml", "--runtime", "lab") == ("jobs.submit", {**sent, "runtime": "lab"})


def test_submit_takes_fields_beside_the_file_or_instead_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.yaml").write_text("name: x")
    monkeypatch.chdir(tmp_path)
    sent = {"spec": "name: x", "folder": str(tmp_path), "runtime": None}
    changed = {"resources.gpus": "2", "params.lr": "a=b"}
    words = ("jobs", "submit", "job.yaml", "--set", "resources.gpus=2", "--set", "params.lr=a=b")
    assert parsed(*words) == ("jobs.submit", {**sent, "changed": changed})
    words = ("jobs", "submit", "--image", "python:3.12", "--gpus", "1", "--", "python", "-c", "x", "--json", "--")
    command = '["python", "-c", "x", "--json", "--"]'
    asked = {"image": "python:3.12", "resources.gpus": "1", "command": command}
    assert parsed(*words) == ("jobs.submit", {**sent, "spec": "", "changed": asked})


def test_what_follows_two_dashes_is_an_argument_as_ever_for_verbs_that_take_no_command() -> None:
    assert parsed("jobs", "cancel", "--", "-a") == ("jobs.cancel", {"job_id": "-a"})


def test_a_log_is_followed_by_the_letter_that_everybody_types() -> None:
    for words, follow in ((("-f", "ab"), True), (("ab", "-f"), True), (("ab", "--no-follow"), False), (("ab",), False)):
        verb, sent = parsed("jobs", "logs", *words)
        assert (verb, sent["job_id"], sent["follow"]) == ("jobs.logs", "ab", follow)


def test_a_time_that_lies_ahead_is_explained_as_one() -> None:
    with pytest.raises(Invalid) as refused:
        parsed("gpus", "reserve", "--until", "1h")
    assert "+8h" in str(refused.value.hint)
    assert "ago" not in str(refused.value.hint)


def test_a_job_file_is_read_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("name: é".encode())))
    sent = {"spec": "name: é", "folder": str(tmp_path), "runtime": None, "changed": None}
    assert parsed("jobs", "submit", "-") == ("jobs.submit", sent)


def test_json_is_asked_for_before_the_command_of_a_job_and_not_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(
        "mlops_desk.desk.cli.commands.ACTS",
        {"verb": lambda _where, given, as_json: asked.append((given.rest, as_json)) or 0},
    )
    assert main(["jobs", "submit", "--image", "a", "--", "train", "--json"]) == 0
    assert main(["jobs", "submit", "--image", "a", "--json", "--", "train"]) == 0
    assert asked == [(["train", "--json"], False), (["train"], True)]


@pytest.mark.parametrize(
    ("words", "verb", "expected"),
    [
        (["status"], "telemetry.status", {}),
        (["doctor"], "agent.doctor", {}),
        (
            ["history", "hw.power", "--device", "gpu0", "--from", "-1.5h", "--points", "5"],
            "telemetry.history",
            {"metric": "hw.power", "device": "gpu0", "start": "-1.5h", "end": "now", "points": 5},
        ),
        (["jobs", "show", "ab"], "jobs.show", {"job_id": "ab"}),
        (
            ["jobs", "logs", "ab", "--follow", "--grep", "val_loss"],
            "jobs.logs",
            {"job_id": "ab", "follow": True, "tail": None, "since": None, "grep": "val_loss", "attempt": None},
        ),
        (["models", "list", "--uri", "sqlite:////x.db"], "models.list", {"uri": "sqlite:////x.db"}),
        (
            ["runs", "list", "--uri", "http://h", "--experiment", "E", "--sort", "metrics.auc:desc", "--limit", "7"],
            "runs.list",
            {"uri": "http://h", "experiment": "E", "sort": "metrics.auc:desc", "limit": 7, "filter": None, "offset": 0},
        ),
        (
            ["endpoints", "deploy", "m@champion", "--name", "e"],
            "endpoints.deploy",
            {"model": "m@champion", "name": "e", "runtime": "auto", "shadow": False, "canary": None, "replicas": None, "open": None,
             "gpus": None, "follow": None, "sleep_after": None, "image": None, "port": None, "health": None, "command": None, "wait": True},
        ),
        (
            ["endpoints", "deploy", "m/2", "--name", "e", "--canary", "10"],
            "endpoints.deploy",
            {"model": "m/2", "name": "e", "runtime": "auto", "shadow": False, "canary": 10.0, "replicas": None, "open": None,
             "gpus": None, "follow": None, "sleep_after": None, "image": None, "port": None, "health": None, "command": None, "wait": True},
        ),
        (["endpoints", "deploy", "m", "--name", "e", "--open"], "endpoints.deploy",
         {"model": "m", "name": "e", "runtime": "auto", "shadow": False, "canary": None, "replicas": None, "open": True,
          "gpus": None, "follow": None, "sleep_after": None, "image": None, "port": None, "health": None, "command": None, "wait": True}),
        (["endpoints", "deploy", "m", "--name", "e", "--no-open"], "endpoints.deploy",
         {"model": "m", "name": "e", "runtime": "auto", "shadow": False, "canary": None, "replicas": None, "open": False,
          "gpus": None, "follow": None, "sleep_after": None, "image": None, "port": None, "health": None, "command": None, "wait": True}),
        (["endpoints", "deploy", "--image", "i:1", "--port", "8000", "--health", "/h", "--name", "e", "--", "serve", "--x"],
         "endpoints.deploy",
         {"model": "", "name": "e", "runtime": "auto", "shadow": False, "canary": None, "replicas": None, "open": None,
          "gpus": None, "follow": None, "sleep_after": None, "image": "i:1", "port": 8000, "health": "/h", "command": ["serve", "--x"], "wait": True}),
        (["endpoints", "token", "e"], "endpoints.token", {"name": "e", "revoke": False}),
        (["endpoints", "token", "e", "--revoke"], "endpoints.token", {"name": "e", "revoke": True}),
        (["endpoints", "split", "e", "1=90", "2=10"], "endpoints.split", {"name": "e", "shares": ["1=90", "2=10"]}),
        (["endpoints", "promote", "e", "--revision", "2"], "endpoints.promote", {"name": "e", "revision": 2}),
        (["endpoints", "rollback", "e"], "endpoints.rollback", {"name": "e"}),
        (["models", "alias", "m", "champion", "--version", "3"], "models.alias",
         {"model": "m", "alias": "champion", "version": "3", "uri": None, "expected": None}),
        (["models", "promote", "m", "--alias", "champion", "--version", "3"], "models.promote",
         {"model": "m", "alias": "champion", "version": "3", "uri": None, "expected": None}),
        (["models", "rollback", "m", "--alias", "champion"], "models.rollback",
         {"model": "m", "alias": "champion", "uri": None, "expected": None, "version": None}),
        (["models", "history", "m"], "models.history", {"model": "m", "uri": None, "alias": "", "at": None}),
        (["models", "compare", "m", "1", "2"], "models.compare",
         {"model": "m", "a": "1", "b": "2", "uri": None, "other": None, "more": None}),
        (["runs", "compare", "a", "b", "c"], "runs.compare", {"run_ids": ["a", "b", "c"], "uri": None}),
        (["runs", "curves", "a", "--metric", "auc", "--points", "9"], "runs.curves",
         {"run_id": "a", "metric": "auc", "uri": None, "points": 9}),
    ],
)  # fmt: skip
def test_words_of_the_contract(words: list[str], verb: str, expected: dict[str, object]) -> None:
    assert parsed(*words) == (verb, expected)


def test_a_relative_store_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parsed("models", "list", "--uri", "sqlite:///a.db")[1] == {"uri": f"sqlite:///{tmp_path}/a.db"}
    assert parsed("models", "list", "--uri", "sqlite:////x/a.db")[1] == {"uri": "sqlite:////x/a.db"}
    assert parsed("models", "list", "--uri", "file:mlruns")[1] == {"uri": f"file://{tmp_path}/mlruns"}
    assert parsed("models", "list", "--uri", "file:///x/mlruns")[1] == {"uri": "file:///x/mlruns"}
    assert parsed("models", "list", "--uri", "./none.db")[1] == {"uri": f"{tmp_path}/none.db"}
    assert parsed("models", "list", "--uri", "kept-name")[1] == {"uri": "kept-name"}
    odd = tmp_path / "a%20b #1"
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert parsed("models", "list", "--uri", "sqlite:///a.db")[1] == {
        "uri": f"sqlite:///{tmp_path}/a%2520b%20%231/a.db"
    }


def test_pairs_are_a_mapping_of_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parsed("rules", "fire", "r", "--data", "/data=new")[1]["data"] == {"/data": str(tmp_path / "new")}
    monkeypatch.setenv("HOME", "/home/ada")
    assert parsed("rules", "fire", "r", "--data", "/data=~/new")[1]["data"] == {"/data": "/home/ada/new"}
    assert parsed("jobs", "rerun", "a", "--set", "name=~/new")[1]["changed"] == {"name": "~/new"}, "which is no path"
    for nonsense in ("nonsense", "=new", "/data="):
        with pytest.raises(Invalid, match="TARGET=PATH"):
            parsed("rules", "fire", "r", "--data", nonsense)


def test_every_verb_has_a_command_and_a_help_text(capsys: pytest.CaptureFixture[str]) -> None:
    for service, protocol in PROTOCOLS.items():
        for verb in verbs_of(service, protocol):
            assert verb.doc.endswith("."), verb.path
            if service == "bare":
                continue  # asked for by `exec`
            name = verb.word.replace("_", "-")
            words = {"agent": [name], "telemetry": [name]}.get(service, [service, name])
            if service == "monitors":
                words = ["drift", name] if name == "history" else ["drift", *words]
            if words in (
                ["info"],
                ["shutdown"],
                ["verify-audit"],
                ["audit-links"],
                ["window"],
                ["curves"],
                ["processes-in"],
            ):
                continue  # reached as `agent status`, `agent stop`, `audit verify`, `audit export`, and by the window
            with pytest.raises(SystemExit) as ended:
                whole().parse_args([*words, "--help"])
            assert ended.value.code == 0
            assert "`" not in capsys.readouterr().out, words


def test_every_word_of_the_command_line_has_a_help_text() -> None:
    bare = [
        f"{service} {verb.name} {parameter.name}"
        for service, protocol in PROTOCOLS.items()
        for verb in verbs_of(service, protocol)
        for parameter in verb.parameters
        if not isinstance(parameter.form, (FolderOf, Ticket)) and help_of(verb, parameter) is None
    ]
    ours = [
        word
        for word in bare
        if word.split()[0] != "bare"
        and word.split()[:2] not in ([["telemetry", "window"], ["telemetry", "curves"], ["telemetry", "processes_in"]])
    ]
    assert [word for word in ours if not word.startswith("agent audit_links")] == []  # audit export asks it


@pytest.mark.parametrize("service", ["gpus", "jobs", "drift"])
def test_the_help_of_a_service_begins_with_what_it_is(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _help_of(capsys, service).startswith(
        PROTOCOLS[service].__doc__.partition("\n")[0].rstrip(".").partition("``")[0]
    )


def _help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what stands below the usage of a command's help, as one line."""
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return " ".join(capsys.readouterr().out.partition("\n\n")[2].split())


@pytest.mark.parametrize("verb", ["pull", "build"])
def test_what_waits_at_the_command_line_does_not_claim_to_answer_at_once(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _help_of(capsys, "images", verb).partition("positional arguments")[0]
    assert "at once" not in shown
    assert "Ctrl+C ends the looking alone" in shown


def test_the_help_of_the_agent_names_what_else_can_be_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        whole().parse_args(["agent", "--help"])
    assert "stop --all" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["jobs", "list"], f"1 to {MOST_LISTED}"),
        (["events", "list"], f"1 to {KEPT}"),
        (["runs", "list"], "1 to 50000"),
        (["history"], f"1 to {BUCKETS_LIMIT}"),
        (["history"], "a gap is –"),
    ],
)
def test_the_help_tells_within_what_bounds_and_how_a_gap_looks(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        whole().parse_args([*words, "--help"])
    assert told in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("words", [["jobs"], ["jobs", "show"], ["nonsense"], ["runs", "show"]])
def test_usage_errors_end_with_2_and_are_json_when_asked(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith('{"error": ')


NUMBERS = [
    (service, verb, parameter)
    for service, protocol in PROTOCOLS.items()
    for verb in verbs_of(service, protocol)
    for parameter in verb.parameters
    if float in parameter.kinds
]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(("service", "verb", "parameter"), NUMBERS, ids=lambda item: getattr(item, "name", item))
def test_no_verb_takes_a_number_that_is_none(service: str, verb: Verb, parameter: Parameter, text: str) -> None:
    with pytest.raises(Invalid, match=parameter.name):
        parameter.check(float(text))
    if service == "telemetry" or isinstance(parameter.form, (Moment, Length)):
        return  # not on the command line, or read there as a time
    option = "--" + parameter.name.replace("_", "-")
    needed = [
        word
        for other in verb.parameters
        if other.required and other is not parameter
        for word in ([f"--{other.name}", "1"] if isinstance(other.form, Option) else ["1"])
    ]
    with pytest.raises(SystemExit) as ended:
        whole().parse_args([service, verb.name.replace("_", "-"), *needed, f"{option}={text}"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600.0), ("30m", 1800.0), ("90s", 90.0), ("90", 90.0), ("2d", 172_800.0), ("0", 0.0), ("1.5h", 5400.0)],
)
def test_a_silence_is_given_as_people_write_lengths_of_time(text: str, seconds: float) -> None:
    given = whole().parse_args(["alerts", "silence", "a1", "--for", text])
    assert arguments_of(given.verb, given) == {"alert_id": "a1", "seconds": seconds}


@pytest.mark.parametrize("text", ["-1h", "1y", "nan", "1 hour", "", "1e9", "h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    given = whole().parse_args(["alerts", "silence", "a1", f"--for={text}"])
    with pytest.raises(Invalid, match="no length of time"):
        arguments_of(given.verb, given)


def test_a_missing_spec_file_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="can't be read"):
        parsed("jobs", "submit", str(tmp_path / "none.yaml"))


def test_a_spec_file_that_is_too_large_or_no_text_is_not_sent(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_bytes(b"#" * (1 << 20))
    assert len(str(parsed("jobs", "submit", str(spec))[1]["spec"])) == 1 << 20
    spec.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(Invalid, match="larger than 1024 KiB"):
        parsed("jobs", "submit", str(spec))
    spec.write_bytes(b"name: caf\xe9")
    with pytest.raises(Invalid, match="not text in UTF-8"):
        parsed("jobs", "submit", str(spec))


@pytest.mark.parametrize(
    "words",
    [[], ["--demo"], ["--tray", "--data-dir", "/x"], ["--data-dir=/x", "--demo", "--tray"]],
)
def test_the_short_way_to_the_window_reads_the_words_as_the_whole_parser_does(words: list[str]) -> None:
    given = window_words(words)
    assert given is not None
    assert vars(given) == vars(whole().parse_args(words))


@pytest.mark.parametrize(
    "words",
    [
        ["status"], ["--demo", "status"], ["--help"], ["-h"], ["--version"], ["--data-dir"], ["--nonsense"], ["nonsense"],
        ["--selftest", "/x"], ["agent", "stop", "--all"], ["models", "show", "m", "--version", "3"], ["status", "--demo"],
    ],
)  # fmt: skip
def test_whatever_is_more_than_the_window_is_left_to_the_whole_parser(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert window_words(words) is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ([], None),
        (["--demo"], None),
        (["jobs", "list"], "jobs"),
        (["--demo", "jobs", "list"], "jobs"),
        (["--data-dir", "models", "jobs", "list"], "jobs"),
        (["--data-dir=models", "jobs", "list"], "jobs"),
        (["--addr", "jobs", "models", "list"], "models"),
        (["--selftest", "jobs"], None),
        (["-x", "jobs"], "jobs"),
    ],
)
def test_the_command_is_the_first_word_that_belongs_to_no_option(words: list[str], command: str | None) -> None:
    assert command_of(words) == command


@pytest.mark.parametrize("words", [["jobs", "show", "j1"], ["doctor"], ["status"], ["agent", "stop", "--all"]])
def test_a_parser_of_one_command_says_what_the_whole_one_says(words: list[str]) -> None:
    assert vars(build(words[0]).parse_args(words)) == vars(whole().parse_args(words))


def test_asking_one_service_loads_no_other(tmp_path: Path) -> None:
    script = (
        "import sys; from mlops_desk.desk.cli.parser import parse; import mlops_desk.desk.cli.commands\n"
        "parse(['jobs', 'submit', 'job.yaml'])\n"
        "print(*(name for name in sys.modules if '.verbs.' in name))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert loaded == {"answers", "names", "declaration", "desk", "jobs"}
