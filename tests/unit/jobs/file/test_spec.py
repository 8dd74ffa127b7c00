"""Job files: the contract's example, what people get wrong, and what nobody should be able to do."""

import json
import math

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec, Mount, Resources
from mlops_desk.kit.base.document.byte_sizes import format_bytes, parse_bytes
from mlops_desk.kit.base.errors import Invalid, Place
from tests.job_specs import specs

EXAMPLE = """
apiVersion: mlops-desk/v1
kind: Job
name: train-digits
image: registry/image:tag
command: [python, train.py, --lr, "0.1"]
env: {OMP_NUM_THREADS: "2"}
resources: {gpus: 1, gpu_memory: 10GiB, cpus: 2, memory: 4GiB, shm: 1GiB}
mounts: [{source: /data/digits, target: /data, mode: ro}]
mlflow: {experiment: digits}
"""
HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: b\n"


def refuse(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        parse_spec(text)
    return f"{caught.value.message} {caught.value.hint}"


def test_the_models_that_a_job_may_register_are_named_in_its_file():
    spec = parse_spec(HEAD + "mlflow: {experiment: e, models: [fraud, churn v2]}")
    assert spec.mlflow == MlflowSpec("e", models=("fraud", "churn v2"))
    assert parse_spec(format_spec(spec)) == spec
    assert parse_spec(HEAD + "mlflow: {experiment: e, models: []}").mlflow == MlflowSpec("e", models=())
    assert "a registered model's name" in refuse(HEAD + "mlflow: {experiment: e, models: [a/b]}")
    assert "mlflow.models" in refuse(HEAD + "mlflow: {experiment: e, models: [a, a]}")


def test_the_contracts_example():
    assert parse_spec(EXAMPLE) == JobSpec(
        name="train-digits",
        image="registry/image:tag",
        command=("python", "train.py", "--lr", "0.1"),
        env={"OMP_NUM_THREADS": "2"},
        resources=Resources(1, 10 << 30, 2.0, 4 << 30, 1 << 30),
        mounts=(Mount("/data/digits", "/data", "ro"),),
        mlflow=MlflowSpec("digits"),
    )


def test_numbers_in_a_command_stay_as_written():
    assert parse_spec(HEAD + "command: [a, 0.10, 1e-3, 007, true, '']").command == (
        "a",
        "0.10",
        "1e-3",
        "007",
        "true",
        "",
    )


def test_relative_sources_are_taken_from_the_files_folder():
    text = HEAD + "mounts: [{source: ../data, target: /d}, {source: x/./y, target: /e/, mode: rw}]"
    assert parse_spec(text, "/home/ada/job").mounts == (
        Mount("/home/ada/data", "/d", "ro"),
        Mount("/home/ada/job/x/y", "/e", "rw"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "resource: {gpus: 1}", ("Line 5", "'resource'", "resources")),
        (HEAD + "resources:\n  gpu: 1", ("Line 6", "'gpu'", "gpus")),
        (HEAD + "resources: {memory: 4G}", ("Line 5", "resources.memory", "'4G'", "GiB")),
        (HEAD + "resources: {memory: 1MiB}", ("at least 6MiB",)),
        (HEAD + "resources: {gpus: -1}", ("resources.gpus", "'-1'", "whole number")),
        (HEAD + "resources: {cpus: 0}", ("resources.cpus", "above 0")),
        (HEAD + "command: python train.py", ("command", "list")),
        (HEAD + "command: [[a]]", ("command[0]", "a list")),
        (HEAD + "command: [a, ~]", ("command[1]", "empty")),
        (HEAD + 'command: ["a\\0b"]', ("command[0]",)),
        (HEAD + "env: {A-B: 1}", ("Line 5", "'A-B'")),
        (HEAD + "env: {NVIDIA_VISIBLE_DEVICES: all}", ("NVIDIA_VISIBLE_DEVICES", "gpus")),
        (HEAD + "env: {LD_PRELOAD: x.so}", ("LD_PRELOAD",)),
        (HEAD + "mounts: [{source: ~/x, target: /x}]", ("mounts[0].source", "absolute")),
        (HEAD + "mounts: [{source: /x, target: x}]", ("mounts[0].target", "absolute")),
        (HEAD + "mounts: [{source: /x, target: /..}]", ("mounts[0].target",)),
        (HEAD + "mounts: [{source: /x, target: /mlops-desk/out}]", ("outside /mlops-desk",)),
        (HEAD + "mounts: [{source: /x, target: /x}, {source: /y, target: /x/}]", ("no other mount",)),
        (HEAD + "mounts: [{source: /x, target: /x, mode: w}]", ("mounts[0].mode", "rw")),
        (HEAD + "mounts: [{target: /x}]", ("mounts[0].source is missing",)),
        (HEAD + "name: c", ("Line 5", "'name'", "second time")),
        (HEAD + "mlflow: {}", ("mlflow.experiment is missing",)),
        ("kind: Job", ("apiVersion is missing",)),
        (HEAD.replace("v1", "v2"), ("apiVersion", "'mlops-desk/v2'", "mlops-desk/v1")),
        (HEAD.replace("image: b", "image: -x y"), ("image", "registry/name:tag")),
        ("a: &x 1\nb: *x", ("Line 1", "anchors")),
        ("a: !!python/object:os.system {}", ("Line 1", "tags")),
        ("a: [" * 50, ("deeper",)),
        ("a: [", ("Line 1: ", "not YAML")),
        (HEAD + "command: [a\n\n", ("Line 5: ", "not YAML")),
        (HEAD + "resources: {cpus: .nan}", ("resources.cpus", "'.nan'")),
        (HEAD + "resources: {memory: inf}", ("resources.memory", "'inf'")),
        ("---\na: 1\n---\nb: 1", ("not YAML", "document")),
        ("", ("empty",)),
        ("x" * 70_000, ("64 KiB",)),
        ("- a", ("the file is a list", "table")),
        ("a: 1\n\x07: 2", ("not YAML",)),
        ('a: "\\U99999999"', ("not YAML",)),
    ],
)
def test_what_is_wrong_is_said_with_place_and_remedy(text, said):
    answer = refuse(text)
    for piece in said:
        assert piece in answer


@pytest.mark.parametrize(
    ("text", "message", "hint", "place"),
    [
        (
            HEAD + "resources: {gpus: 1, gpu_memory: 10GiB, cpus: many}",
            "Line 5, column 47: resources.cpus: 'many' does not fit.",
            "Expected: a number of CPUs above 0 such as 2 or 0.5.",
            Place(5, 47, "resources.cpus"),
        ),
        (
            HEAD + "mounts:\n  - {source: /a, target: /a}\n  - source: /b\n    target: /sys/b",
            "Line 8, column 13: mounts[1].target: '/sys/b' does not fit.",
            "Expected: a path outside /sys, which is not for data.",
            Place(8, 13, "mounts[1].target"),
        ),
        (
            HEAD + "mounts: [{source: /a, target: /a},\n  {source: /b, target: /a/../a}]",
            "Line 6, column 24: mounts[1].target: '/a' does not fit.",
            "Expected: a target that no other mount has.",
            Place(6, 24, "mounts[1].target"),
        ),
        (
            HEAD + "env:\n  A: 1\n  LD_AUDIT: x",
            "Line 7, column 3: env: LD_AUDIT can't be set: it decides which GPUs and code a container sees.",
            "Ask for GPUs with resources: {gpus: N}; set other variables inside the command.",
            Place(7, 3, "env"),
        ),
        (
            HEAD + "command: [python,\n  [a]]",
            "Line 6, column 3: command[1] is a list.",
            "Expected: a text or a number.",
            Place(6, 3, "command[1]"),
        ),
        (
            HEAD + "mlflow: digits",
            "Line 5, column 9: mlflow is the text 'digits'.",
            "Expected: a table of KEY: VALUE lines.",
            Place(5, 9, "mlflow"),
        ),
        (
            HEAD + "mlflow: {}",
            "Line 5, column 9: mlflow.experiment is missing.",
            "Add a line experiment: ... to mlflow.",
            Place(5, 9, "mlflow.experiment"),
        ),
        (
            "name: a\nimage:\n",
            "Line 1, column 1: apiVersion is missing.",
            "Add a line apiVersion: ... to the file.",
            Place(1, 1, "apiVersion"),
        ),
        (
            HEAD.replace("image: b", "image:"),
            "Line 4, column 7: image is empty.",
            "Expected: an image such as registry/name:tag.",
            Place(4, 7, "image"),
        ),
        (
            HEAD.replace("kind: Job", "kind: job"),
            "Line 2, column 7: kind: 'job' does not fit.",
            "Expected: Job.",
            Place(2, 7, "kind"),
        ),
        (
            HEAD + "  name: c",
            "Line 5, column 7: this is not YAML: mapping values are not allowed here.",
            "Is the line indented as those beside it? A text with ': ' in it stands in quotes.",
            Place(5, 7),
        ),
        (
            HEAD + "resources:\n\tgpus: 1",
            "Line 6, column 1: this is not YAML: found character '\\t' that cannot start any token.",
            "Indent with spaces: YAML takes no tab there.",
            Place(6, 1),
        ),
        (
            HEAD + "image: c",
            "Line 5, column 1: 'image' stands here a second time, after line 4.",
            "Keep one of them.",
            Place(5, 1),
        ),
        (
            HEAD + "command: [a\n\n",
            "Line 5: this is not YAML: expected ',' or ']', but got '<stream end>'.",
            "The documentation shows a whole file (F1 in the window).",
            Place(5),
        ),
    ],
)
def test_an_error_names_place_field_what_was_found_and_what_is_wanted(text, message, hint, place):
    with pytest.raises(Invalid) as caught:
        parse_spec(text)
    assert (caught.value.message, caught.value.hint, caught.value.place) == (message, hint, place)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("resource: {gpus: 1}", "Did you mean resources? Known keys: apiVersion, kind, name, image, command, env, "),
        ("commnad: [a]", "Did you mean command? Known keys: "),
        ("resources: {gpu_mem: 1GiB}", "Did you mean gpu_memory? Known keys: gpus, gpu_memory, cpus, memory, shm, "),
        ("gpus: 1", "It belongs under resources. Known keys: "),
        ("resources: {image: c}", "It belongs outside of resources. Known keys: "),
        ("volumes: [/a]", "Known keys: apiVersion, "),
        ("<<: {gpus: 1}", "Known keys: apiVersion, "),
    ],
)
def test_a_key_that_is_unknown_is_told_with_the_one_that_was_meant(text, meant):
    with pytest.raises(Invalid) as caught:
        parse_spec(HEAD + text)
    assert str(caught.value.hint).startswith(meant)
    assert "Line 5, column " in caught.value.message


@pytest.mark.parametrize(
    "written", ["on", "no", "Yes", "2026-01-02", "1e3", "0o17", "017", "0x1F", "1_000", ".5", "1:30", "-", "=", "~a"]
)
def test_what_yaml_takes_for_something_else_stays_the_text_that_was_written(written):
    spec = parse_spec(f"{HEAD}command: [{written}]\nenv: {{A: {written}}}")
    assert (spec.command, spec.env) == ((written,), {"A": written})


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        EXAMPLE.replace("\n", "\r\n"),
        "\ufeff" + EXAMPLE.lstrip(),
        "---\n" + EXAMPLE + "...\n",
        "# a comment\n" + EXAMPLE,
        json.dumps(yaml.safe_load(EXAMPLE)),
        json.dumps(yaml.safe_load(EXAMPLE), indent=2),
    ],
)
def test_a_file_is_the_same_however_an_editor_or_a_program_wrote_it(text):
    assert parse_spec(text) == parse_spec(EXAMPLE)


def test_lines_are_counted_as_an_editor_does_whatever_ends_them():
    for text in (HEAD + "gpu: 1", (HEAD + "gpu: 1").replace("\n", "\r\n"), "\ufeff" + HEAD + "gpu: 1"):
        with pytest.raises(Invalid) as caught:
            parse_spec(text)
        assert caught.value.place == Place(5, 1)


@pytest.mark.parametrize("key", ["command", "env", "resources", "mounts", "mlflow"])
@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_what_is_left_empty_is_as_if_it_were_not_there(key, nothing):
    assert parse_spec(f"{HEAD}{key}: {nothing}\n") == JobSpec("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command: [" + "a," * 1001 + "]", "Line 5, column 10: command has more than 1000 items."),
        ("env: {" + ",".join(f"A{n}: 1" for n in range(501)) + "}", "Line 5, column 6: env has more than 500 entries."),
        ("mounts: [" + "{source: /a, target: /b}," * 101 + "]", "Line 5, column 9: mounts has more than 100 items."),
        ("command: [" + "a" * 32_769 + "]", "Line 5, column 11: command[0] is longer than 32768 characters."),
    ],
)
def test_what_is_data_and_no_job_is_refused(text, said):
    assert refuse(HEAD + text) in {f"{said} Put it into a file.", f"{said} Put them into a file."}


@pytest.mark.slow
@given(st.floats().map(str) | st.text("0123456789.+-einfa_ ", max_size=8))
def test_amounts_in_a_job_are_finite(text):
    for key in ("cpus", "gpus", "memory", "shm", "gpu_memory"):
        try:
            resources = parse_spec(f"{HEAD}resources: {{{key}: '{text}'}}").resources
        except Invalid:
            continue
        for amount in (resources.cpus, resources.memory_bytes, resources.shm_bytes, resources.gpu_memory_bytes):
            assert amount is None or (math.isfinite(amount) and amount > 0)


@pytest.mark.slow
@given(specs())
@example(JobSpec("\U0001f600", "b", command=("\U0001f600", "\x85", "on", "1e3", "", "\u2028"), env={"A": "no"}))
@example(JobSpec("a", "b", resources=Resources(cpus=0.001)))
@example(JobSpec("a", "b", resources=Resources(999, 1, 9999.999, 6 << 20, 1 << 60)))
@settings(deadline=None)
def test_a_spec_survives_its_file(spec):
    text = format_spec(spec)
    assert parse_spec(text) == spec
    assert format_spec(parse_spec(text)) == text
    assert parse_spec(json.dumps(yaml.safe_load(text))) == spec


def test_a_file_is_written_as_a_person_would():
    assert (
        format_spec(parse_spec(EXAMPLE))
        == """\
apiVersion: mlops-desk/v1
kind: Job
name: train-digits
image: registry/image:tag
command:
- python
- train.py
- --lr
- '0.1'
env:
  OMP_NUM_THREADS: '2'
resources:
  gpus: 1
  gpu_memory: 10GiB
  cpus: 2.0
  memory: 4GiB
  shm: 1GiB
mounts:
- source: /data/digits
  target: /data
mlflow:
  experiment: digits
"""
    )


@pytest.mark.slow
@given(specs(), st.data())
@settings(deadline=None)
def test_an_error_stands_where_the_file_was_broken(spec, data):
    lines = format_spec(spec).split("\n")
    tops = [number for number, line in enumerate(lines) if line[:1].isalpha()]
    number = data.draw(st.sampled_from(tops))
    lines[number:number] = ["surely_unknown: 1"]
    with pytest.raises(Invalid) as caught:
        parse_spec("\n".join(lines))
    assert caught.value.place == Place(number + 1, 1)


_PIECES = [*"ab:-{}[],&*!|>%@`'\"\\#\n \t0~?\x00\ud800é=<.", "\n  ", ": ", "- ", "<<", "null"]
_YAMLISH = st.lists(st.sampled_from(_PIECES)).map("".join)


@pytest.mark.slow
@given(st.one_of(st.text(), _YAMLISH, st.text().map(lambda text: HEAD + text), _YAMLISH.map(lambda text: HEAD + text)))
@settings(deadline=None, max_examples=300)
def test_hostile_text_is_refused_in_words_or_read(text):
    try:
        parse_spec(text)
    except Invalid as error:
        assert error.message  # noqa: PT017 - either outcome is right; anything else raised fails the test


@given(st.integers(1, 1 << 60))
def test_amounts_round_trip(amount):
    assert parse_bytes(format_bytes(amount)) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("10GiB", 10 << 30), ("4GB", 4 * 10**9), ("512MiB", 512 << 20), ("1.5GiB", 3 << 29), ("7", 7)]
)
def test_amounts_as_people_write_them(text, amount):
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [("10 GB", 10_000_000_000), ("10Gi", 10_737_418_240), ("512Mi", 536_870_912), ("3 KiB", 3072), ("3 kB", 3000)],
)
def test_powers_of_1000_and_of_1024_are_told_apart(text, amount):
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["10G", "10g", "10gb", "10gib", "10Gb"])
def test_what_could_mean_either_is_refused_with_both_readings(text):
    with pytest.raises(ValueError, match=r"10GB \(powers of 1000\) or 10GiB \(powers of 1024\)"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["10Pi", "10bits", "10GGB", "ten GB", "10  GB", "-1GB", "1e9"])
def test_what_is_no_amount_is_refused_with_the_forms_that_are(text):
    with pytest.raises(ValueError, match=r"10GiB \(2\^30 bytes each\), 4GB \(10\^9 bytes each\)"):
        parse_bytes(text)
