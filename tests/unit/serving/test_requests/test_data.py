"""A person's file as a request: JSON goes as it is, CSV by the model's signature, and what fits neither says where."""

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.test_requests import body_of, split_of

FEATURES = (LoggedFeature("a", "double"), LoggedFeature("city", "text"), LoggedFeature("is new", "boolean"),
            LoggedFeature("n", "long"))  # fmt: skip
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


def test_a_csv_becomes_what_the_signature_says() -> None:
    text = 'city,a,n,is new,more\n"Bonn, am Rhein",1.5,007,true,x\n,2,8,0,\n'
    assert json.loads(body_of(text, FEATURES)) == {
        "dataframe_split": {
            "columns": ["city", "a", "n", "is new"],
            "data": [["Bonn, am Rhein", 1.5, 7, True], [None, 2.0, 8, False]],
        }
    }


def test_text_that_looks_like_a_number_stays_text_where_the_signature_says_so() -> None:
    assert split_of("city\n0123\n", (LoggedFeature("city", "text"),))["data"] == [["0123"]]
    assert split_of("city\n0123\ntrue\n", ())["data"][1] == [True]


def test_json_goes_as_it_is() -> None:
    text = '{"inputs":  [[1, 2]]}'
    assert body_of(text, FEATURES) == text.encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "not of a form"),
        ("7", "not of a form"),
        ("", "no rows"),
        ("a,city,is new,n\n", "no rows"),
        ("a,city\n1,Bonn\n", "lacks columns that the model takes: is new, n"),
        ("a,a\n1,2\n", "two columns of one name"),
        ("a,city,is new,n\n1,Bonn,true\n", "Row 2 of the data has 3 values"),
        ("a,city,is new,n\n1,Bonn,true,1\nx,Bonn,true,1\n", "Row 3 of the data, column a: 'x' is not of the kind double"),
        ("a,city,is new,n\n1,Bonn,perhaps,1\n", "column is new"),
        ("a,city,is new,n\n1,Bonn,true,1.5\n", "column n"),
        ("a,city,is new,n\nNaN,Bonn,true,1\n", "column a"),
        ('a\n"open', "neither JSON nor CSV"),
    ],
)  # fmt: skip
def test_what_fits_nothing_says_where(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        body_of(text, FEATURES)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
@example([('"', ","), ("", "x")])
def test_every_table_of_texts_arrives_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([("left", "right"), *rows])
    features = (LoggedFeature("left", "text"), LoggedFeature("right", "text"))
    found = split_of(written.getvalue(), features)
    assert found["data"] == [[left or None, right or None] for left, right in rows]
