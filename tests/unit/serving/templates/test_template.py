"""Templates of runtimes: those that come along can be read, and a file says what is wrong with it."""

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.runtimes import resource_files
from mlops_desk.serving.templates.catalogue import filled, filled_all, parse

LEAST = "serves: [gguf]\nport: 80\nhealth: /h\nmodel: /m\nimage: {cpu: a/b:1}\n"


@pytest.mark.parametrize("name", ["triton", "vllm", "llama-cpp"])
def test_those_that_come_along_can_be_read_and_own_up_that_nobody_ran_them(name: str) -> None:
    text = (resource_files.folder() / "templates" / f"{name}.yaml").read_text("utf-8")
    found = parse(name, text)
    assert (found.name, found.never_run) == (name, True)
    assert found.title
    assert found.help
    assert "0.0.0.0" not in text, "the relay alone reaches it"


def test_the_first_comments_are_title_and_help() -> None:
    found = parse("own", f"# Our server\n# For small models,\n# and quick.\n{LEAST}# not this\n")
    assert (found.title, found.help) == ("Our server", "For small models, and quick.")
    assert parse("own", LEAST).title == "own"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "it is no table"),
        (LEAST + "colour: blue\n", "unknown field `colour`"),
        (LEAST + "name: other\n", "name is told by the file's name"),
        (LEAST.replace("gguf", "pickle"), "serves has 'pickle', and there are gguf, onnx, safetensors"),
        (LEAST.replace("port: 80", "port: 0"), "a port from 1 to 65535"),
        (LEAST.replace("port: 80", "port: eighty"), "Expected `int`"),
        (LEAST.replace("/h", "h"), "'h' can't stand where it does"),
        (LEAST.replace("/m", "/../etc"), "'/../etc' can't stand where it does"),
        (LEAST.replace("a/b:1", "-v"), "'-v' can't stand where it does"),
        (LEAST.replace("{cpu: a/b:1}", "{}"), "an image"),
        (LEAST + "command: ['{secret}']\n", "'{secret}' can't stand where it does"),
        (LEAST + "adapter: ../../evil\n", "can't stand where it does"),
        (LEAST + "relax: [writable_root]\n", "relax has 'writable_root', and there are exec_tmp"),
        ("serves: [gguf\n", "can't be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, said: str) -> None:
    with pytest.raises(Invalid) as wrong:
        parse("own", text)
    assert "own.yaml can't be read" in wrong.value.message
    assert said in wrong.value.message


def test_words_in_braces_are_filled_wherever_they_stand_and_others_stay() -> None:
    words = {"name": "front", "port": "80"}
    assert filled("{name}:{port}:{other}:{}", words) == "front:80:{other}:{}"
    assert filled_all({"a": ["{name}", 1, None], "b": True}, words) == {"a": ["front", 1, None], "b": True}
