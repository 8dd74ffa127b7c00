"""What is read of a model's own description: YAML from anybody, signatures as MLflow writes them, requirements."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.document.safe_yaml import LIMIT_BYTES, mapping_in, read_document, word
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.model_files.environment import environment_differences, environment_of
from mlops_desk.registry.model_files.facts import python_of, requirements_of
from mlops_desk.registry.model_files.signature import columns_of
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [BOMB, "a: &x [*x]", "a: !!python/object/apply:os.system ['true']", "[1, 2]", "just text", "a: [", "", "a: {b: " * 60,
     "a: \x00", "x" * (LIMIT_BYTES + 1), "- x\n" * 200_000, "%YAML 9.9\n---\na: 1", "a: 1\n---\nb: 2", "? [a]: b", "a: 12:9999999999999999-1-1",
     f"a: 1{':59' * 250}.5", "a: 1.5" + "e9" * 40],
)  # fmt: skip
def test_yaml_that_is_no_description_is_refused_or_small(text: str) -> None:
    try:
        document = read_document(text.encode("utf-8", "replace"), "MLmodel")
    except Invalid as error:
        assert error.message.startswith("MLmodel")  # noqa: PT017 - either is right
        return
    assert len(json.dumps(document, default=str)) < 1000


def test_a_bomb_of_aliases_and_what_calls_python_are_refused() -> None:
    for text in (BOMB, "a: &x [*x]", "a: !!python/object/apply:os.system ['true']"):
        with pytest.raises(Invalid):
            read_document(text.encode(), "MLmodel")


def test_a_description_that_is_too_large_is_not_read() -> None:
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        read_document(b"a: 1\n" + b"#" * LIMIT_BYTES, "MLmodel")


@pytest.mark.parametrize("value", ["1{}", "-1{}", "!!int '_1{}'", "!!float '1{}'", ".5{}"])
def test_a_number_to_the_base_of_sixty_that_takes_minutes_is_not_worked_out(value: str) -> None:
    """At a megabyte it took more than half a minute of our own process; here a few hundred digits must do."""
    with pytest.raises(Invalid, match=r"a number of \d+ digits"):
        read_document(f"a: {value.format(':59' * 300)}\n".encode(), "MLmodel")


def test_long_texts_that_begin_with_a_digit_are_taken_in_quotes_and_without_one_plainly() -> None:
    texts = ["1" * 300, "[" + "1, " * 300 + "1]", "plain " * 50 + "text"]
    written = f"a: '{texts[0]}'\nb: >-\n  {texts[1]}\nc: {texts[2]}\nd: !!str {texts[0]}\n".encode()
    assert list(read_document(written, "MLmodel").values()) == [*texts, texts[0]]


def test_an_alias_that_stands_for_little_is_taken() -> None:
    assert read_document(b"a: &x {k: 1}\nb: *x\n", "MLmodel") == {"a": {"k": 1}, "b": {"k": 1}}


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=5),
        st.integers()
        | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=9)
        | st.booleans(),
        max_size=5,
    )
)
@example({"no": True})
def test_what_a_safe_writer_wrote_is_read_back(document: dict[str, Any]) -> None:
    written = yaml.safe_dump(document, allow_unicode=True).encode()
    assert read_document(written, "MLmodel") == document


def test_parts_of_a_document_are_taken_as_what_they_are() -> None:
    document = {"a": {1: "x"}, "b": [1], "c": None}
    assert (mapping_in(document, "a"), mapping_in(document, "b"), mapping_in(document, "d")) == ({"1": "x"}, {}, {})
    assert [word(value) for value in ("x\u202e", 3, 1.5, True, None, [1])] == ["x\\u202e", "3", "1.5", None, None, None]
    assert word("y" * 300, 40) == "y" * 40 + "…"


COLUMNS = [
    ({"type": "double", "name": "a", "required": True}, SignatureColumn("a", "double")),
    ({"type": "long", "name": "a", "required": False}, SignatureColumn("a", "long", is_required=False)),
    ({"type": "long", "name": "a", "optional": True}, SignatureColumn("a", "long", is_required=False)),
    ({"type": "string"}, SignatureColumn(None, "string")),
    ({"type": "array", "items": {"type": "string"}, "name": "t"}, SignatureColumn("t", "Array(string)")),
    ({"type": "array", "items": {"type": "array", "items": {"type": "long"}}}, SignatureColumn(None, "Array(Array(long))")),
    ({"type": "map", "values": {"type": "double"}, "name": "m"}, SignatureColumn("m", "Map(str -> double)")),
    ({"type": "object", "properties": {"a": {"type": "long", "required": True}, "b": {"type": "string", "required": False}}},
     SignatureColumn(None, "{a: long (required), b: string (optional)}")),
    ({"type": "any"}, SignatureColumn(None, "Any")),
    ({"type": "sparkml_vector"}, SignatureColumn(None, "SparkML vector")),
    ({"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}, "name": "x"}, SignatureColumn("x", "float32", shape=(-1, 3))),
    ({"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": ["?"]}}, SignatureColumn(None, "uint8", shape=None)),
    ({"type": "a\u202eb", "name": 3}, SignatureColumn(None, "a\\u202eb")),
]  # fmt: skip


@pytest.mark.parametrize(("told", "column"), COLUMNS)
def test_a_column_has_its_type_as_mlflow_prints_it(told: dict[str, Any], column: SignatureColumn) -> None:
    assert columns_of({"inputs": json.dumps([told])}, "inputs") == (column,)
    assert columns_of({"inputs": [told]}, "inputs") == (column,)


def test_parameters_are_never_required() -> None:
    written = json.dumps(
        [{"name": "top", "type": "long", "default": 3, "shape": None}, {"name": "w", "type": "double", "shape": [-1]}]
    )
    assert columns_of({"params": written}, "params") == (
        SignatureColumn("top", "long", is_required=False), SignatureColumn("w", "double", is_required=False, shape=(-1,)),
    )  # fmt: skip


@pytest.mark.parametrize("written", [None, "", "{}", "nonsense", 3, "[" * 100_000, '"x"', "null"])
def test_a_signature_that_can_not_be_read_is_none(written: object) -> None:
    assert columns_of({"inputs": written}, "inputs") is None


def test_an_empty_signature_is_no_missing_one_and_odd_columns_are_passed_over() -> None:
    assert columns_of({"inputs": "[]"}, "inputs") == ()
    assert columns_of({"inputs": "[3, null, []]"}, "inputs") == ()
    deep: dict[str, Any] = {"type": "long"}
    for _ in range(60):
        deep = {"type": "array", "items": deep}
    (column,) = columns_of({"inputs": [deep]}, "inputs") or ()
    assert column.type.startswith("Array(Array(")
    assert "…" in column.type
    assert column.type.count("Array(") < 12


@pytest.mark.parametrize(
    ("text", "lines"),
    [("a==1\n# no\n\n b>=2 # why\n", ("a==1", "b>=2")), ("-r other\n--index-url x\na", ("a",)), ("a==1 \\\n  --hash=x\n", ("a==1 --hash=x",)),
     ("a @ https://x/a.whl#sha256=1", ("a @ https://x/a.whl#sha256=1",)), ("", ()), ("\u202e", ("\\u202e",))],
)  # fmt: skip
def test_requirements_are_lines_without_comments_and_options(text: str, lines: tuple[str, ...]) -> None:
    assert requirements_of(text) == lines


def test_the_python_is_the_flavours_or_the_environments() -> None:
    assert python_of({"python_version": "3.12.1"}, {"python": "3.11"}) == "3.12.1"
    assert python_of({}, {"python": 3.11}) == "3.11"
    assert python_of({}, {}) is None


def facts(*requirements: str, python: str | None = None) -> ModelFileFacts:
    return ModelFileFacts("m", "1", requirements=requirements, python_version=python)


@pytest.mark.parametrize(
    ("a", "b", "differs"),
    [
        (("numpy==1.0",), ("numpy==2.0",), {"numpy": ("==1.0", "==2.0")}),
        (("Scikit_Learn>=1",), ("scikit-learn>=1",), {}),
        (("a>=1,<2",), ("a<2, >=1",), {}),
        (("a",), ("a==1",), {"a": ("", "==1")}),
        (("a",), (), {"a": ("", None)}),
        (("a[x,y]",), ("a[y,x]",), {}),
        (("a[x]",), ("a",), {"a": ("[x]", "")}),
        (("./wheel.whl",), (), {"./wheel.whl": ("", None)}),
        (("a @ https://x/a.whl",), ("a",), {"a": (" @ https://x/a.whl", "")}),
        (('a==1; python_version < "3.12"', 'a==2; python_version >= "3.12"'), ("a==1",),
         {"a": ('==1 ; python_version < "3.12"; ==2 ; python_version >= "3.12"', "==1")}),
    ],
)  # fmt: skip
def test_environments_differ_by_package_whatever_its_spelling(
    a: tuple[str, ...], b: tuple[str, ...], differs: dict[str, Any]
) -> None:
    assert environment_differences(environment_of(facts(*a)), environment_of(facts(*b))) == differs


def test_the_interpreter_is_part_of_an_environment() -> None:
    found = environment_differences(environment_of(facts(python="3.11.1")), environment_of(facts(python="3.12.0")))
    assert found == {"python": ("==3.11.1", "==3.12.0")}
    assert environment_of(facts()) == {}


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["==1", "==2", ""])),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["==1", "==2", ""])),
)
@example({}, {})
@example({"b": "==1", "a": ""}, {"c": ""})
def test_differences_are_all_that_differs_and_turn_around_with_the_sides(a: dict[str, str], b: dict[str, str]) -> None:
    found = environment_differences(a, b)
    assert found == {name: (x, y) for name, (y, x) in environment_differences(b, a).items()}
    assert list(found) == sorted(found)
    restored = {**a, **{name: new for name, (_, new) in found.items() if new is not None}}
    assert {name: value for name, value in restored.items() if found.get(name, ("", ""))[1] is not None} == b
