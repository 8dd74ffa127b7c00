"""Advice follows from the figures; processors say what they can; words of a person are read or refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.records.variants import Variant
from mlops_desk.serving.variants import advice, parse_threads, parse_variants


def one(name: str, speed: float | None, agreement: float | None = 1.0, **more: Any) -> Variant:
    return Variant(name, 1, rows_per_second=speed, agreement=agreement, **more)


def test_the_fastest_that_answers_as_well_is_advised() -> None:
    variants = [one("float32", 100), one("float16", 120), one("int8", 210, 0.995, changed=3)]
    assert advice(variants, ("avx512", "vnni")) == (
        "Take int8 on 1 thread: 2.1 times the throughput of float32 on 1 thread on this processor with vnni,"
        " 99.5 % of the answers are the same."
    )
    assert "on this processor with avx2, 99.5 %" in advice(variants, ("avx2",))


def test_accuracy_counts_where_it_is_known() -> None:
    base = one("float32", 100, accuracy=0.95)
    assert "accuracy -0.3 points" in advice([base, one("int8", 210, 0.5, accuracy=0.947)], ())
    assert "at the same accuracy" in advice([base, one("int8", 210, 0.5, accuracy=0.95)], ())


def test_what_is_faster_and_answers_worse_is_no_advice_but_is_said() -> None:
    told = advice([one("float32", 100), one("int8", 300, 0.8)], ())
    assert told.startswith("Stay with float32 on 1 thread")
    assert told.endswith("Int8 on 1 thread is faster, but 80.0 % of the answers are the same.")


@pytest.mark.parametrize(
    "other",
    [one("int8", 109), one("int8", 300, changed=0), one("int8", 300, None), Variant("int8", 1, error="none")],
)
def test_what_is_no_gain_or_no_variant_is_not_advised(other: Variant) -> None:
    assert advice([one("float32", 100), other], ()).startswith("Stay with float32 on 1 thread")


def test_without_figures_there_is_no_advice() -> None:
    assert advice([Variant("float32", 1, error="none")], ()) == "No variant could be measured."


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 1)), min_size=1, max_size=6))
def test_advice_never_names_what_answers_worse(figures: list[tuple[float, float]]) -> None:
    variants = [one(f"v{index}", speed, share) for index, (speed, share) in enumerate(figures)]
    taken = advice(variants, ()).split()[1 if advice(variants, ()).startswith("Take") else 2]
    chosen = next(variant for variant in variants if variant.variant == taken)
    assert (variants[0].agreement or 0) - (chosen.agreement or 0) <= 0.01


def test_words_of_a_person() -> None:
    assert parse_variants("int8, float16") == ["float32", "float16", "int8"]
    assert parse_threads("4,1,4") == [1, 4]
    assert parse_threads("")[0] == 1
    for words in ("int4", "float32;int8"):
        with pytest.raises(Invalid, match="no variant"):
            parse_variants(words)
    for words in ("0", "-1", "two", "1.5", "²", "2000"):
        with pytest.raises(Invalid, match="no number of threads"):
            parse_threads(words)
