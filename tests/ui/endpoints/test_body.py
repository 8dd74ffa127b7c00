"""A request's body as a form, and the lines that send it from elsewhere."""

import json
import shlex
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.window.body import BodyField, as_curl, as_python, fields_of, filled, pretty, written

RECORDS = {"dataframe_records": [{"a": 1.5, "n": 2, "is": True, "city": "Bonn"}, {"a": 2.0}]}
SPLIT = {"dataframe_split": {"columns": ["a", "city"], "data": [[1.5, "Bonn"], [2.0, "Ulm"]]}}


def test_the_first_row_of_a_table_becomes_fields() -> None:
    assert fields_of(RECORDS) == [
        BodyField("a", 1.5),
        BodyField("n", 2),
        BodyField("is", value=True),
        BodyField("city", "Bonn"),
    ]
    assert fields_of(SPLIT) == [BodyField("a", 1.5), BodyField("city", "Bonn")]


@pytest.mark.parametrize(
    "example",
    [
        None,
        [],
        "text",
        {"inputs": [[1, 2]]},
        {"dataframe_records": []},
        {"dataframe_records": [{"a": [1]}]},
        {"dataframe_records": [{"a": None}]},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
        {"dataframe_records": [{str(number): number for number in range(61)}]},
    ],
)
def test_what_is_no_table_of_numbers_and_texts_has_no_form(example: object) -> None:
    assert fields_of(example) == []


def test_what_was_typed_keeps_the_kinds_of_the_example() -> None:
    typed = {"a": "2", "n": "3", "is": "no", "city": " 007 "}
    (row,) = filled(fields_of(RECORDS), typed)["dataframe_records"]
    assert row == {"a": 2.0, "n": 3, "is": False, "city": " 007 "}
    assert [type(value) for value in row.values()] == [float, int, bool, str]
    assert filled([BodyField("n", 2)], {"n": "2.5"})["dataframe_records"] == [{"n": 2.5}]


@pytest.mark.parametrize(("field", "text"), [(BodyField("a", 1.5), "many"), (BodyField("is", value=True), "perhaps")])
def test_what_does_not_fit_is_named(field: BodyField, text: str) -> None:
    with pytest.raises(Invalid, match=f"{field.name} .* {text!r}"):
        filled([field], {field.name: text})


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False), st.text()), min_size=1, max_size=8))  # fmt: skip
def test_an_example_as_it_was_is_sent_as_it_was(row: dict[str, bool | float | str]) -> None:
    fields = fields_of({"dataframe_records": [row]})
    assert filled(fields, {field.name: written(field.value) for field in fields}) == {"dataframe_records": [row]}


def test_json_is_indented_and_other_text_left_alone() -> None:
    assert pretty('{"a":"ä"}') == '{\n  "a": "ä"\n}'
    assert pretty("not JSON") == "not JSON"
    assert pretty("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize("with_token", [True, False])
def test_the_lines_to_copy_do_send_the_body(with_token: bool) -> None:
    got: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.headers["authorization"], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"answered")

        def log_message(self, *_args: object) -> None:
            """Be quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url, body = f"http://127.0.0.1:{server.server_port}/x", json.dumps({"it's": '$HOME `id` "é"'})
    environment = {"PATH": "/usr/bin:/bin", "TOKEN": "geheim"}
    commands = [
        [sys.executable, "-c", as_python(url, body, with_token=with_token)],
        ["sh", "-c", as_curl(url, body, with_token=with_token)],
    ]
    try:
        for command in commands:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
            assert done.stdout.strip() == "answered"
    finally:
        server.shutdown()
        server.server_close()
    assert got == [("Bearer geheim" if with_token else None, body.encode())] * 2
    assert "geheim" not in shlex.join(commands[0] + commands[1])
