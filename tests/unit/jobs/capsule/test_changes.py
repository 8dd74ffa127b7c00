"""Fields of a job changed in the job file's words."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.base.errors import Invalid
from mlops_desk.jobs.capsule.changes import changed_spec, steps_of
from mlops_desk.jobs.file.spec import parse_spec

SPEC = parse_spec(
    "apiVersion: mlops-desk/v1\nkind: Job\nname: train\nimage: img:1\ncommand: [python, train.py]\n"
    "env: {LR: 0.10, EMPTY: ''}\nresources: {gpus: 1, memory: 2GiB}\n"
    "mounts: [{source: /a, target: /data}, {source: /b, target: /out, mode: rw}]\n"
)
WORDS = st.text(string.printable, max_size=20)


def test_nothing_changed_is_the_same():
    assert changed_spec(SPEC, {}) is SPEC


def test_a_field_takes_what_the_job_file_takes_there():
    changed = changed_spec(
        SPEC,
        {
            "resources.gpus": "2", "env.LR": "0.20", "env.NEW": "on", "mounts[1].source": "/c", "resources.shm": "1GiB",
            "command": "[python, other.py]", "resources.memory": "null", "mlflow.experiment": "digits",
        },
    )  # fmt: skip
    assert (changed.resources.gpus, changed.resources.memory_bytes, changed.resources.shm_bytes) == (2, None, 1 << 30)
    assert changed.env == {"LR": "0.20", "EMPTY": "", "NEW": "on"}
    assert [mount.source for mount in changed.mounts] == ["/a", "/c"]
    assert changed.command == ("python", "other.py")
    assert changed.mlflow.experiment == "digits"
    assert (changed.name, changed.image) == ("train", "img:1")


def test_an_item_of_a_list_is_taken_away_by_null():
    assert [mount.target for mount in changed_spec(SPEC, {"mounts[0]": "null"}).mounts] == ["/out"]
    assert "EMPTY" not in changed_spec(SPEC, {"env.EMPTY": "~"}).env


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("resource.gpus", "2", "'resource' is not a key"),
        ("resources.gpus", "two", r"resources.gpus: 'two' does not fit"),
        ("resources.gpus", "-1", "does not fit"),
        ("mounts[2].source", "/x", "nothing at"),
        ("mounts[0].mode", "rx", "does not fit"),
        ("env[0]", "x", "nothing at"),
        ("name.x", "y", "nothing at"),
        ("env.LD_PRELOAD", "x", "can't be set"),
        ("apiVersion", "v2", "names no field"),
        ("kind", "Deployment", "names no field"),
        ("", "x", "names no field"),
        ("a..b", "x", "names no field"),
        ("a[x]", "x", "names no field"),
        (".".join("abcdefghij"), "x", "names no field"),
        ("a" * 5000, "x", "names no field"),
        ("env.A", "[" * 5000, "can't be read"),
        ("env.A", "*x", "can't be read"),
        ("env.A", "!!python/object:os.system x", "can't be read"),
        ("env.A", "b\nimage: other", "can't be read"),
        ("command", "[a, b", "can't be read"),
        ("name", "null", "name is missing"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(path, value, text):
    with pytest.raises(Invalid, match=text):
        changed_spec(SPEC, {path: value})


@given(st.dictionaries(WORDS, WORDS, max_size=2))
@example({"env.A": "x\n..."})
@example({"env.A": "\n- a"})
@example({"mounts[0]": "&a [*a]"})
@example({"env.A": "''"})
@example({"env": "{A: 1, A: 2}"})
def test_whatever_is_written_only_ever_is_invalid(changed):
    try:
        changed_spec(SPEC, changed)
    except Invalid as error:
        assert error.message  # noqa: PT017 - any other error is what is looked for


@given(st.text("0123456789abc: '\"#[]{}\\", max_size=12))
def test_a_text_in_quotes_is_itself(text):
    quoted = "'" + text.replace("'", "''") + "'"
    assert changed_spec(SPEC, {"env.A": quoted}).env["A"] == text


def test_steps():
    assert steps_of("mounts[0].source") == ["mounts", 0, "source"]
    assert steps_of("a[1][22]") == ["a", 1, 22]
