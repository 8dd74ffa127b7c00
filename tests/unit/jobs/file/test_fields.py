"""The fields of a job file beside those that it began with: what each becomes, and what makes no sense together."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.file.schedule import read_moment, written_moment
from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.records.spec import (
    Build,
    Goal,
    JobKind,
    JobSpec,
    MlflowSpec,
    Mount,
    Resources,
    Source,
    Sweep,
    ValueSpan,
    Warned,
)
from mlops_desk.kit.base.document.scalar_types import read_length, written_length
from mlops_desk.kit.base.errors import Invalid

HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: b\n"
WHOLE = """
apiVersion: mlops-desk/v1
kind: Job
name: train
image: b
command: [train, --lr, '{lr}']
params: {lr: 0.10, note: off}
seed: 7
resources: {gpu_model: "H100*", gpu_uuids: [GPU-1a, MIG-2b/3/4], share: 8GiB}
source: {folder: ., target: /src}
mounts: [{source: d, target: /d, stage: true}]
secrets: [wandb, hf.token]
ports: [8888]
outputs: [/out]
checkpoint: /checkpoints
mlflow: {experiment: digits, server: "http://mlflow.lab:5000"}
type: batch
priority: -5
preemptible: true
timeLimit: 1h30m
grace: 30s
warning: {signal: SIGUSR2, before: 5m}
beginAt: 2026-11-27T22:00:00+01:00
after: [prepare]
afterSuccess: [0a1b2c]
retries: {oom_kernel: 1, exit_nonzero: 0}
sweep: {grid: {lr: [0.10, 1e-2]}, metric: auc, goal: minimize, stopBelowBest: 3}
relax: [network]
"""


def test_every_field_of_the_file():
    assert parse_spec(WHOLE, "/home/ada") == JobSpec(
        name="train",
        image="b",
        command=("train", "--lr", "{lr}"),
        params={"lr": "0.10", "note": "off"},
        seed=7,
        resources=Resources(
            gpus=2, gpu_model="H100*", gpu_uuids=("GPU-1a", "MIG-2b/3/4"), exclusive=False, share_bytes=8 << 30
        ),
        source=Source(folder="/home/ada", target="/src"),
        mounts=(Mount("/home/ada/d", "/d", "ro", stage=True),),
        secrets=("wandb", "hf.token"),
        ports=(8888,),
        outputs=("/out",),
        checkpoint="/checkpoints",
        mlflow=MlflowSpec("digits", "http://mlflow.lab:5000"),
        kind=JobKind.BATCH,
        priority=-5,
        preemptible=True,
        time_limit_seconds=5400.0,
        grace_seconds=30.0,
        warning=Warned("USR2", 300.0),
        begin_at=1_795_813_200.0,
        after=("prepare",),
        after_success=("0a1b2c",),
        retries={"oom_kernel": 1, "exit_nonzero": 0},
        sweep=Sweep(
            grid={"lr": ("0.10", "1e-2")}, metric="auc", goal=Goal.MINIMIZE, stop_below_best=3
        ),
        relax=("network",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("array: 4", "array", 4),
        ("source: {git: 'git@host:a/b.git', ref: v1/x}", "source", Source(git="git@host:a/b.git", ref="v1/x")),
        ("warning: {}\ntimeLimit: 3m", "warning", Warned("USR1", 120.0)),
        ("warning: {}\npreemptible: yes", "warning", Warned("USR1", 120.0)),
        ("resources: {gpus: 1, exclusive: true}", "resources", Resources(gpus=1)),
        ("resources: {gpus: 1, share: 1GiB, exclusive: false}", "resources", Resources(1, exclusive=False, share_bytes=1 << 30)),
        ("grace: 0s", "grace_seconds", 0.0),
        (
            "sweep: {random: {lr: {low: 1e-5, high: 0.1, log: true}, opt: [adam, sgd]}, samples: 3, seed: 9}",
            "sweep",
            Sweep(grid={"opt": ("adam", "sgd")}, spans={"lr": ValueSpan(1e-5, 0.1, log=True)}, samples=3, seed=9),
        ),
    ],
)  # fmt: skip
def test_a_field_and_what_it_becomes(text, field, value):
    assert getattr(parse_spec(HEAD + text), field) == value


def test_what_is_built_has_a_name_that_no_other_registry_has():
    spec = parse_spec("apiVersion: mlops-desk/v1\nkind: Job\nname: Train digits\nbuild: {context: docker}", "/home/ada")
    assert (spec.image, spec.build) == ("localhost/mlops-desk-build/train-digits", Build("/home/ada/docker"))
    assert "image:" not in format_spec(spec)
    assert parse_spec(HEAD + "build: {}").image == "b"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "resources: {gpus: 1, share: 1GiB, exclusive: true}",
            "Line 5, column 29: resources.share: an exclusive GPU is not shared.",
            "Take share or exclusive: true away.",
        ),
        (
            "resources: {gpus: 1, exclusive: false}",
            "Line 5, column 33: resources.exclusive: who shares a GPU says how much of its memory it takes.",
            "Add share: 8GiB (as much as the job takes of each GPU) to resources.",
        ),
        (
            "resources: {share: 1GiB}",
            "Line 5, column 20: resources.share: the job asks for no GPU.",
            "Add gpus: 1 to resources.",
        ),
        ("resources: {gpu_model: A100}", "Line 5, column 24: resources.gpu_model: the job asks for no GPU.", "Add gpus: 1 to resources."),
        (
            "resources: {gpus: 1, gpu_memory: 1GiB, share: 2GiB}",
            "Line 5, column 47: resources.share: it is larger than gpu_memory, which the GPU may have.",
            "Ask for a gpu_memory of at least the share, or take it away.",
        ),
        (
            "resources: {gpus: 1, gpu_uuids: [GPU-a, GPU-b]}",
            "Line 5, column 19: resources.gpus: '1' does not fit.",
            "Expected: 2, as many as gpu_uuids names (or leave gpus out).",
        ),
        (
            "resources: {gpu_uuids: [GPU-a, GPU-a]}",
            "Line 5, column 32: resources.gpu_uuids[1]: GPU-a stands there a second time.",
            "Keep one of them.",
        ),
        (
            "resources: {gpu_uuids: [0]}",
            "Line 5, column 25: resources.gpu_uuids[0]: '0' does not fit.",
            "Expected: a GPU's UUID such as GPU-5a1b0c7e (an index may be another card's tomorrow).",
        ),
        (
            "timeLimit: 10m\nwarning: {before: 10m}",
            "Line 6, column 19: warning.before: '10m' does not fit.",
            "Expected: a length of time below timeLimit, which is 10m.",
        ),
        (
            "timeLimit: 1m\nwarning: {signal: TERM}",
            "Line 6, column 10: warning: '2m' does not fit.",
            "Expected: a length of time below timeLimit, which is 1m.",
        ),
        (
            "warning: {before: 10m}",
            "Line 5, column 10: warning: there is no time limit to warn of.",
            "Add timeLimit: 90m (or preemptible: true), or take warning away.",
        ),
        (
            "timeLimit: 90",
            "Line 5, column 12: timeLimit: '90' does not fit.",
            "Expected: 90s (seconds), 90m (minutes) or 90h (hours).",
        ),
        ("timeLimit: 0s", "Line 5, column 12: timeLimit: '0s' does not fit.", "Expected: a length of time such as 90m, 1h30m, 2d or 45s."),
        ("timeLimit: 2y", "Line 5, column 12: timeLimit: '2y' does not fit.", "Expected: a length of time such as 90m, 1h30m, 2d or 45s."),
        ("warning: {signal: KILL}\ntimeLimit: 1h", "Line 5, column 19: warning.signal: 'KILL' does not fit.", "Expected: a signal: USR1, USR2, TERM, INT, HUP or QUIT."),
        ("beginAt: tomorrow", "Line 5, column 10: beginAt: 'tomorrow' does not fit.", "Expected: a time such as 2026-11-24T22:00 (here), 2026-11-24T22:00+01:00, 22:00 or +2h."),
        (
            "array: 2\nsweep: {grid: {lr: [1]}}",
            "Line 6, column 8: sweep: a job is an array or a sweep, not both.",
            "Take array away; {index} counts the points.",
        ),
        ("array: 0", "Line 5, column 8: array: '0' does not fit.", "Expected: a whole number of jobs, 1 to 1000."),
        ("array: 1001", "Line 5, column 8: array: '1001' does not fit.", "Expected: a whole number of jobs, 1 to 1000."),
        (
            "sweep: {metric: auc}",
            "Line 5, column 8: sweep: it says nothing to sweep over.",
            "Add grid: {lr: [0.1, 0.01]}, or random: {lr: {low: 0.001, high: 0.1, log: true}} with samples: 20.",
        ),
        (
            "sweep: {grid: {a: [1]}, random: {b: [1]}, samples: 1}",
            "Line 5, column 33: sweep.random: points are all of a grid, or drawn at random, not both.",
            "Write the lists of grid under random too, where they are drawn from; or take one of them away.",
        ),
        (
            "sweep: {random: {b: [1]}}",
            "Line 5, column 17: sweep.random: how many points are drawn is missing.",
            "Add samples: 20 to sweep.",
        ),
        (
            "sweep: {grid: {b: [1]}, samples: 3}",
            "Line 5, column 34: sweep.samples: only of random are points drawn.",
            "Take samples away, or write random: instead of grid: to draw so many points of it.",
        ),
        ("sweep: {grid: {b: []}}", "Line 5, column 19: sweep.grid.b has no items.", "Expected: a list such as [a, b, c]."),
        (
            f"sweep: {{grid: {{a: [{'1,' * 32}], b: [{'1,' * 32}]}}}}",
            "Line 5, column 15: sweep.grid: it makes 1024 jobs, and a file makes at most 1000.",
            "Write random: instead of grid: with samples: 100, or split it.",
        ),
        (
            "sweep: {grid: {b: [1]}, goal: minimize}",
            "Line 5, column 31: sweep.goal: there is no metric that it is about.",
            "Add metric: ..., as the runs log it.",
        ),
        (
            "sweep: {grid: {index: [1]}}",
            "Line 5, column 23: sweep.grid.index: each job of a sweep has its own index.",
            "Take another name.",
        ),
        ("array: 2\nparams: {index: 1}", "Line 6, column 17: params.index: each job of an array or a sweep has its own index.", "Take another name."),
        (
            "sweep: {random: {b: {low: 2, high: 2}}, samples: 3}",
            "Line 5, column 36: sweep.random.b.high: '2' does not fit.",
            "Expected: a number above low, which is 2.",
        ),
        (
            "sweep: {random: {b: {low: 0, high: 2, log: true}}, samples: 3}",
            "Line 5, column 27: sweep.random.b.low: '0' does not fit.",
            "Expected: a number above 0, for there is no logarithm below.",
        ),
        (
            "sweep: {random: {b: {low: 0.5, high: 2, whole: true}}, samples: 3}",
            "Line 5, column 27: sweep.random.b.low: '0.5' does not fit.",
            "Expected: a whole number, as whole: true says.",
        ),
        (
            "source: {folder: ., git: 'https://h/r'}",
            "Line 5, column 26: source.git: the code comes from a folder or from git, not from both.",
            "Take one of them away.",
        ),
        (
            "source: {}",
            "Line 5, column 9: source: where the code comes from is missing.",
            "Add folder: . or git: https://host/repo.git.",
        ),
        (
            "source: {folder: ., ref: main}",
            "Line 5, column 26: source.ref: a folder has no ref.",
            "Take ref away, or give git: https://host/repo.git.",
        ),
        (
            "source: {folder: .}\nmounts: [{source: /d, target: /work}]",
            "Line 5, column 9: source: a mount has the target /work too.",
            "Give one of them another target.",
        ),
        (
            "source: {git: 'https://ada:s3cret@host/r.git'}",
            "Line 5, column 15: source.git: an address with a password or a token would be stored and shown.",
            "Write it without.",
        ),
        (
            "source: {git: 'https://s3cret@host/r.git'}",
            "Line 5, column 15: source.git: an address with a password or a token would be stored and shown.",
            "Write it without.",
        ),
        ("source: {git: '--upload-pack=x'}", "Line 5, column 15: source.git: '--upload-pack=x' does not fit.", "Expected: an address such as https://host/repo.git or git@host:repo.git."),
        ("source: {git: 'ext::sh -c x'}", "Line 5, column 15: source.git: 'ext::sh -c x' does not fit.", "Expected: an address such as https://host/repo.git or git@host:repo.git."),
        ("source: {git: 'https://h/r', ref: --all}", "Line 5, column 35: source.ref: '--all' does not fit.", "Expected: a branch, a tag or a commit."),
        ("source: {git: 'https://h/r', ref: a..b}", "Line 5, column 35: source.ref: 'a..b' does not fit.", "Expected: a branch, a tag or a commit."),
        ("build: {dockerfile: ../../etc/passwd}", "Line 5, column 21: build.dockerfile: '../../etc/passwd' does not fit.", "Expected: a path in the folder, neither absolute nor with .. out of it."),
        ("build: {dockerfile: /etc/passwd}", "Line 5, column 21: build.dockerfile: '/etc/passwd' does not fit.", "Expected: a path in the folder, neither absolute nor with .. out of it."),
        (
            "after: [b, a]",
            "Line 5, column 12: after[1]: 'a' is this job itself: it would wait for ever.",
            "Name an earlier job of that name by its id.",
        ),
        (
            "afterSuccess: [a]",
            "Line 5, column 16: afterSuccess[0]: 'a' is this job itself: it would wait for ever.",
            "Name an earlier job of that name by its id.",
        ),
        (
            "mounts: [{source: /d, target: /d, mode: rw, stage: true}]",
            "Line 5, column 52: mounts[0].stage: what is staged is a copy, and nobody would see what is written to it.",
            "Take mode: rw or stage: true away.",
        ),
        ("ports: [80, 80]", "Line 5, column 13: ports[1]: 80 stands there a second time.", "Keep one of them."),
        ("ports: [65536]", "Line 5, column 9: ports[0]: '65536' does not fit.", "Expected: a port from 1 to 65535."),
        ("secrets: [../x]", "Line 5, column 11: secrets[0]: '../x' does not fit.", "Expected: a secret's name: letters, digits, _, . and -."),
        ("retries: {OOM: 1}", "Line 5, column 11: retries: 'OOM' does not fit.", "Expected: a word in small letters, with digits, _ and -."),
        ("retries: {oom_kernel: -1}", "Line 5, column 23: retries.oom_kernel: '-1' does not fit.", "Expected: a whole number of retries, 0 to 100."),
        (
            "retries: {oom_kernal: 1}",
            "Line 5, column 23: retries.oom_kernal: that is no class of failure.",
            "Did you mean oom_kernel?",
        ),
        ("priority: 1.5", "Line 5, column 11: priority: '1.5' does not fit.", "Expected: a whole number from -1000 to 1000; larger goes first."),
        ("preemptible: maybe", "Line 5, column 14: preemptible: 'maybe' does not fit.", "Expected: true or false."),
        ("type: notebook", "Line 5, column 7: type: 'notebook' does not fit.", "Expected: training, batch, session or shell."),
        ("mlflow: {experiment: a, server: 'http://ada:pw@h'}", "Line 5, column 33: mlflow.server: an address with a password or a token would be stored and shown.", "Write it without."),
        ("checkpoint: ../c", "Line 5, column 13: checkpoint: '../c' does not fit.", "Expected: an absolute path in the container, other than /."),
        ("time_limit: 3h", "Line 5, column 1: 'time_limit' is not a key of the file.", None),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_where_it_stands_and_what_would(text, message, hint):
    with pytest.raises(Invalid) as caught:
        parse_spec(HEAD + text)
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint


def test_a_key_written_as_in_python_is_told_with_the_one_that_was_meant():
    with pytest.raises(Invalid, match="is not a key") as caught:
        parse_spec(HEAD + "time_limit: 3h")
    assert str(caught.value.hint).startswith("Did you mean timeLimit? ")


def test_a_class_of_failure_that_is_like_none_may_be_a_runtimes_own():
    assert parse_spec(HEAD + "retries: {node_lost: 1, time_limit: 1, nccl_timeout: 2}").retries["node_lost"] == 1


def test_an_image_or_what_builds_one_is_needed():
    with pytest.raises(Invalid) as caught:
        parse_spec("apiVersion: mlops-desk/v1\nkind: Job\nname: a\n")
    assert caught.value.message == "Line 1, column 1: image is missing."
    assert caught.value.hint == "Add a line image: ... to the file, or build: ... where it is to be built first."


@pytest.mark.parametrize(
    "name", ["a\nb", "a\u202eb", "a" * 4000, " a", "a\x85b", "a\u200eb", "\ufeffa"]
)  # fmt: skip
@pytest.mark.parametrize("field", ["name", "after", "mlflow"])
def test_names_that_nobody_can_read_are_refused(field, name):
    import json

    value = {"name": name, "after": [name], "mlflow": {"experiment": name}}[field]
    document = {"apiVersion": "mlops-desk/v1", "kind": "Job", "name": "n", "image": "b", field: value}
    if (field, name) == ("mlflow", " a"):
        return
    with pytest.raises(Invalid, match=r"Line \d+, column \d+: "):
        parse_spec(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("1h30m", 5400), ("2d", 172_800), ("1.5h", 5400), ("45s", 45), ("1d1h1m1s", 90_061), ("0.25s", 0.25)],
)  # fmt: skip
def test_lengths_as_people_write_them(text, seconds):
    assert read_length(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "30m1h", "-1h", "1h 30m", "1H", "1e3s", "9999d", "1:30", "٣m"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ValueError, match="length of time"):
        read_length(text)


@given(st.integers(0, 366 * 86_400_000))
def test_a_length_survives_its_text(thousandths):
    assert read_length(written_length(thousandths / 1000)) == thousandths / 1000


@pytest.mark.parametrize(
    ("seconds", "text"), [(5400, "1h30m"), (172_800, "2d"), (120, "2m"), (0.5, "0.5s"), (0, "0s"), (61.25, "1m1.25s")]
)
def test_a_length_is_written_as_a_person_would(seconds, text):
    assert written_length(seconds) == text


NOW = 1_795_813_261.5  # 2026-11-27 at 21:01:01.5 in UTC


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("+2h", NOW + 7200),
        ("2026-11-27T22:00:00Z", 1_795_816_800.0),
        ("2026-11-27 22:00+01:00", 1_795_813_200.0),
        ("2026-11-27T22:00:00.5+00:00", 1_795_816_800.5),
    ],
)
def test_times_as_people_write_them(text, at):
    assert read_moment(text, NOW) == at


def test_a_time_without_a_zone_is_this_machines_own():
    assert read_moment("2026-11-27T22:00", NOW) == datetime(2026, 11, 27, 22).astimezone().timestamp()


@given(st.integers(0, 23), st.integers(0, 59), st.integers(1_600_000_000, 1_900_000_000))
def test_a_clock_is_read_as_the_next_time_that_it_shows_that(hour, minute, now):
    found = read_moment(f"{hour:02}:{minute:02}", now)
    at = datetime.fromtimestamp(found, UTC).astimezone()
    assert (at.hour, at.minute, at.second) == (hour, minute, 0)
    assert 0 < found - now <= 90_000.0  # a day, which may have 25 hours


@pytest.mark.parametrize(
    "text", ["24:00", "7:5", "2026", "2026-13-01", "+2y", "+", "-1h", "now", "12", "99999999-01-01"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="a time such as"):
        read_moment(text, NOW)


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_time_survives_its_text(micros):
    assert read_moment(written_moment(micros / 1_000_000), NOW) == micros / 1_000_000


@pytest.mark.parametrize(
    ("line", "field"), [("command: [x]\n", "command"), ("resources: {gpus: 1}\n", "resources.gpus")]
)
def test_an_image_that_is_only_built_runs_nothing_and_uses_no_gpu(line, field):
    text = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nbuild: {context: ., only: true}\n"
    assert parse_spec(text).build.only
    with pytest.raises(Invalid, match=r"where build\.only is true") as wrong:
        parse_spec(text + line)
    assert field in str(wrong.value)
