"""What the file of a stranger asks of this machine is named, and refused until a person grants it by name."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.provenance.archive.grants import (
    Grants,
    asked_of_machine,
    check_granted,
    check_named,
    granted_part,
    grants_of,
)
from mlops_desk.jobs.records.provenance import Standing
from mlops_desk.jobs.records.spec import Build, JobSpec, MlflowSpec, Mount, Source
from mlops_desk.kit.base.errors import Invalid, Refused
from tests.job_specs import specs

CLOSED = JobSpec("a", "img", ("true",), network="none")


def wanted(spec, grants=None, now=None, *, has_code=True):
    return list(asked_of_machine(spec, now or spec, grants or Grants(), has_code=has_code))


def missing(spec, grants=None, now=None, *, has_code=True):
    asked = wanted(spec, grants, now, has_code=has_code)
    return [(one.requirement.what, one.requirement.name, one.option) for one in asked if one.option is not None]


ASKED = [
    ({"mounts": (Mount("/home/anna/.ssh", "/k"),)}, ("data", "/k", "--data /k=/PATH"), Grants(data={"/k": "/x"})),
    ({"mounts": (Mount("/etc", "/e", "rw"),)}, ("data", "/e", "--data /e=/PATH"), Grants(data={"/e": "/etc"})),
    ({"secrets": ("HF",)}, ("secret", "HF", "--secret HF"), Grants(secrets=frozenset({"HF"}))),
    (
        {"mlflow": MlflowSpec("e", "https://store.lab", "LOGIN")},
        ("secret", "LOGIN", "--secret LOGIN"),
        Grants(secrets=frozenset({"LOGIN"})),
    ),
    ({"relax": ("seccomp",)}, ("relax", "seccomp", "--relax seccomp"), Grants(relax=frozenset({"seccomp"}))),
    ({"ports": (8080,)}, ("port", "8080", "--port 8080"), Grants(ports=frozenset({"8080"}))),
    ({"network": None}, ("network", "", "--network"), Grants(network=True)),
]
OF_NO_CODE = [
    (
        {"source": Source(git="https://git.lab/x", ref="main")},
        ("git", "https://git.lab/x", "--git https://git.lab/x"),
        Grants(git=frozenset({"https://git.lab/x"})),
    ),
    (
        {"source": Source(folder="/home/anna/secret")},
        ("code", "/home/anna/secret", "--set source.folder=/PATH"),
        Grants(changed={"source.folder": "/home/anna/secret"}),
    ),
    (
        {"build": Build("/home/anna/private")},
        ("build", "/home/anna/private", "--set build.context=/PATH"),
        Grants(changed={"build.context": "/home/anna/private"}),
    ),
]


@pytest.mark.parametrize(("fields", "told", "grants"), ASKED + OF_NO_CODE)
def test_what_a_file_asks_for_is_missing_until_it_is_granted_by_name(fields, told, grants):
    spec = replace(CLOSED, **fields)
    assert missing(spec, has_code=False) == [told]
    with pytest.raises(Refused) as refused:
        check_granted("/f", wanted(spec, has_code=False))
    assert told[2] in refused.value.hint
    assert told[0] in refused.value.message
    assert missing(spec, grants, has_code=False) == []
    check_granted("/f", wanted(spec, grants, has_code=False))


@pytest.mark.parametrize(("fields", "told", "grants"), ASKED)
def test_a_grant_of_one_thing_is_none_of_another(fields, told, grants):
    spec = replace(CLOSED, **fields)
    others = [given for other, _, given in ASKED if other != fields and given.secrets != grants.secrets]
    assert all(missing(spec, other) == [told] for other in others)


def test_code_that_lies_in_the_file_is_read_from_nowhere():
    for source in (Source(folder="/home/anna"), Source(git="https://git.lab/x")):
        assert missing(replace(CLOSED, source=source), has_code=True) == []
    file, now = replace(CLOSED, source=Source(folder="/a")), replace(CLOSED, source=Source(folder="/a", target="/b"))
    assert missing(file, now=now, has_code=True) == [("code", "/a", "--set source.folder=/PATH")]


def test_what_a_person_says_themselves_needs_no_grant():
    now = replace(CLOSED, secrets=("MINE",), ports=(80,), relax=("seccomp",), mounts=(Mount("/mine", "/m"),))
    assert missing(CLOSED, now=now) == []


def test_a_folder_that_may_be_written_to_is_named_as_that():
    spec = replace(CLOSED, mounts=(Mount("/etc", "/e", "rw"), Mount("/usr", "/u")))
    texts = [one.requirement.text for one in wanted(spec)]
    assert texts == [
        "The file asks to change /etc of this machine, as /e. It is not granted.",
        "The file asks to read /usr of this machine, as /u. It is not granted.",
    ]
    (granted,) = (one.requirement for one in wanted(spec, Grants(data={"/e": "/tmp/x", "/u": "/usr"})))
    assert (granted.standing, granted.text) == (
        Standing.SAME, "It may change what is in /etc, which you grant as /e."
    )  # fmt: skip


@pytest.mark.parametrize(
    "grants",
    [Grants(secrets=frozenset({"X"})), Grants(relax=frozenset({"X"})), Grants(ports=frozenset({"1"})),
     Grants(git=frozenset({"X"}))],
)  # fmt: skip
def test_a_grant_that_the_file_does_not_ask_for_is_a_slip_and_refused(grants):
    with pytest.raises(Invalid, match="asks for no --"):
        check_named(replace(CLOSED, secrets=("HF",)), grants)
    check_named(replace(CLOSED, secrets=("HF",)), Grants(secrets=frozenset({"HF"})))


@pytest.mark.slow
@given(specs(), st.booleans())
def test_without_a_grant_no_folder_and_no_secret_of_this_machine_is_in_what_is_looked_at(spec, has_code):
    part = granted_part(spec, spec, Grants())
    assert (part.mounts, part.secrets) == ((), ())
    named = {(what, name) for what, name, _ in missing(spec, has_code=has_code)}
    assert {("data", mount.target) for mount in spec.mounts} <= named
    assert {("secret", name) for name in spec.secrets} <= named
    assert {("relax", name) for name in spec.relax} <= named
    assert {("port", str(port)) for port in spec.ports} <= named
    assert (("network", "") in named) == (spec.network is None)


def test_a_verb_is_told_words_with_spaces_between_them():
    told = grants_of({"a": "b"}, None, "A  B", "", "80 81", "g", network=True)
    assert told == Grants(
        {}, {"a": "b"}, frozenset({"A", "B"}), frozenset(), frozenset({"80", "81"}), frozenset({"g"}), network=True
    )
