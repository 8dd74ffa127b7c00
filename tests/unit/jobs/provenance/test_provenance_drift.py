"""Same, drifted or unknown, and the reason in words."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.provenance.provenance_drift import data_drift, drifts, parse_packages, verdict
from mlops_desk.jobs.records.drift_words import sentence, verdict_text
from mlops_desk.jobs.records.provenance import Capsule, CapsuleDrift, DataIdentity, GitIdentity, ImageIdentity, Verdict

IMAGE = ImageIdentity("sha256:a1", "img@sha256:b1", ("sha256:c1",))
DATA = DataIdentity("/data", "/d", 3, 100, "a" * 64)
FIRST = Capsule(
    image=IMAGE,
    git=GitIdentity("c0ffee"),
    source_sha256="5" * 64,
    packages_sha256="1" * 64,
    data=(DATA,),
    driver="550",
    versions={"kernel": "6.1", "engine": "Docker 26"},
    gpus=("GPU-a",),
    gpu_models=("H100",),
)
PACKAGES = "# python 3.11.2\nnumpy==1.26\nscipy==1.0\n"


def told(now, first_packages=PACKAGES, now_packages=PACKAGES, first=FIRST):
    found = drifts(first, now, first_packages, now_packages)
    return verdict(found), [sentence(one) for one in found]


def test_the_same_is_the_same_whatever_gpus_of_that_model_it_had():
    assert told(replace(FIRST, gpus=("GPU-b",))) == (Verdict.SAME, [])
    assert verdict_text(Verdict.SAME, ()) == "same"
    assert verdict_text(Verdict.UNKNOWN, ()) == "not known yet"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image": ImageIdentity("sha256:a2", "img@sha256:b2", ("sha256:c2",))}, "the image's digest changed (b1 → b2)"),
        ({"source_sha256": "6" * 64}, "the code changed (555555555555 → 666666666666)"),
        ({"driver": "560"}, "the driver 550 → 560"),
        ({"versions": {"kernel": "6.2", "engine": "Docker 26"}}, "kernel 6.1 → 6.2"),
        ({"gpu_models": ("A100",)}, "the GPUs H100 → A100"),
        ({"data": (replace(DATA, files=6, sha256="b"),)}, "data /data has 3 more files"),
        ({"data": (replace(DATA, files=2, sha256="b"),)}, "data /data has 1 fewer file"),
        ({"data": (replace(DATA, size_bytes=103, sha256="b"),)}, "data /data has as many files and is larger by 3 bytes"),
        ({"data": (replace(DATA, sha256="b"),)}, "data /data has other contents"),
        ({"data": ()}, "data /data was mounted and is not now"),
        ({"data": (DATA, replace(DATA, target="/x"))}, "data /x is mounted now and was not"),
    ],
)  # fmt: skip
def test_what_drifted_is_said_with_its_reason(fields, words):
    assert told(replace(FIRST, **fields)) == (Verdict.DRIFTED, [words])


def test_packages_are_compared_one_by_one():
    now = "# python 3.12.0\nnumpy==2.0\ntorch==2.5\n"
    assert told(replace(FIRST, packages_sha256="2" * 64), now_packages=now) == (
        Verdict.DRIFTED,
        [
            "package numpy 1.26 → 2.0",
            "package python 3.11.2 → 3.12.0",
            "package scipy 1.0 is gone",
            "package torch 2.5 is new",
        ],
    )
    # Their hashes still tell it where a list was cleared away.
    assert told(replace(FIRST, packages_sha256="2" * 64), now_packages=None)[1] == [
        "the packages inside changed (111111111111 → 222222222222)"
    ]
    many = "".join(f"p{number:03}==1\n" for number in range(60))
    verdict_, words = told(replace(FIRST, packages_sha256="2" * 64), "", many)
    assert (verdict_, len(words), words[-1]) == (Verdict.DRIFTED, 51, "10 more packages")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"image": ImageIdentity()}, "the image's digest"),
        ({"source_sha256": None}, "the code"),
        ({"packages_sha256": None}, "the packages inside"),
        ({"driver": None}, "the driver"),
        ({"versions": {"engine": "Docker 26"}}, "kernel"),
        ({"data": (replace(DATA, sha256=None, files=None, size_bytes=None),)}, "data /data"),
    ],
)  # fmt: skip
def test_what_one_of_them_does_not_tell_is_unknown_and_never_the_same(fields, name):
    assert told(replace(FIRST, **fields)) == (Verdict.UNKNOWN, [name])
    now = replace(FIRST, **fields)
    assert verdict_text(Verdict.UNKNOWN, drifts(FIRST, now, PACKAGES, PACKAGES)) == f"unknown: not known: {name}"


def test_a_first_job_of_which_nothing_is_known_is_not_compared():
    assert told(FIRST, first=None) == (Verdict.UNKNOWN, ["the first job"])


def test_without_gpus_no_driver_is_missed_and_without_python_no_packages():
    bare = Capsule(image=IMAGE)
    assert told(bare, None, None, bare) == (Verdict.SAME, [])
    driven = Capsule(image=IMAGE, driver="560", versions={"cuda": "13.0", "gpu_route": "cdi"})
    assert told(driven, None, None, bare) == (Verdict.SAME, [])
    assert told(replace(driven, gpus=("GPU-a",)), None, None, bare) == (
        Verdict.UNKNOWN, ["the driver", "cuda", "gpu_route"]
    )  # fmt: skip


def test_layers_tell_more_than_names():
    """One image has another id in each of an engine's stores, and one digest in each registry."""
    other = replace(IMAGE, id="sha256:zz", digest="mirror/img@sha256:yy")
    assert told(replace(FIRST, image=other)) == (Verdict.SAME, [])
    same_id = replace(IMAGE, diff_ids=(), digest=None)
    assert told(replace(FIRST, image=same_id)) == (Verdict.SAME, [])


def test_hashes_of_samples_tell_nothing_of_whole_ones():
    assert data_drift(DATA, replace(DATA, sampled=True, sha256="b"), "/data").known is False


def test_the_words_end_and_are_plain():
    found = tuple(CapsuleDrift("package", f"p{number}\x1b[31m", "1", "2") for number in range(30))
    text = verdict_text(Verdict.DRIFTED, found)
    assert "\x1b" not in text
    assert text.endswith("and 18 more")


IDENTITIES = st.builds(
    DataIdentity, st.just("/d"), st.just("/s"), st.none() | st.integers(0, 3), st.none() | st.integers(0, 3),
    st.none() | st.sampled_from("ab"), st.booleans(),
)  # fmt: skip
CAPSULES = st.builds(
    Capsule,
    image=st.builds(ImageIdentity, *[st.none() | st.sampled_from("ab")] * 2, st.lists(st.sampled_from("ab"), max_size=2).map(tuple)),
    source_sha256=st.none() | st.sampled_from("ab"),
    packages_sha256=st.none() | st.sampled_from("ab"),
    data=st.lists(IDENTITIES, max_size=1).map(tuple),
    driver=st.none() | st.sampled_from("ab"),
    versions=st.dictionaries(st.sampled_from("kc"), st.sampled_from("ab")),
    gpus=st.lists(st.sampled_from("ab"), max_size=1).map(tuple),
)  # fmt: skip


@given(CAPSULES, CAPSULES)
@example(Capsule(), Capsule())
@example(Capsule(image=IMAGE), Capsule(image=IMAGE))
def test_a_comparison_is_fair_to_both(a, b):
    there, back = drifts(a, b, None, None), drifts(b, a, None, None)
    assert verdict(there) is verdict(back)
    assert {(one.what, one.name, one.known) for one in there} == {(one.what, one.name, one.known) for one in back}
    assert Verdict.DRIFTED is not verdict(drifts(a, a, None, None))
    assert all(sentence(one) for one in there)


@given(st.text())
@example("==1\nname==\n# python \n")
def test_a_list_of_packages_is_read_whatever_it_holds(text):
    assert all(isinstance(name, str) and isinstance(version, str) for name, version in parse_packages(text).items())
