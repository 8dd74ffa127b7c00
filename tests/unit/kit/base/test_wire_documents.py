"""What is logged is what Python's own reader says of a body, whoever reads it."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.wire import document

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
texts = values.map(json.dumps) | st.text(max_size=30) | st.text('0123456789.eE+-[]{},:" naIN\\ud8', max_size=20)


def told(text: str, reader: object) -> str:
    try:
        return repr(reader(text))  # type: ignore[operator]  # one of two functions
    except ValueError:
        return "no JSON"


@given(texts)
@example("1e999")
@example("[NaN, -Infinity]")
@example('{"a": 1, "a": 2}')
@example("-0")
@example("12345678901234567890123456789")
@example('"\\ud800"')
@example("\ufeff1")
@example("1" * 5000)
@example("1.7976931348623157e308")
@example("0.1e-400")
def test_it_reads_what_python_reads(text: str) -> None:
    assert told(text, document) == told(text, json.loads)


def test_what_is_too_deep_is_told_as_python_tells_it() -> None:
    with pytest.raises(RecursionError):
        document("[" * 100_000 + "]" * 100_000)
