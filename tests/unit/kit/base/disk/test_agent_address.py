"""Addresses of agents: what is parsed is what is printed, and what may be done follows from it."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.disk import agent_address as module
from mlops_desk.kit.base.disk.agent_address import AgentAddress, choose
from mlops_desk.kit.base.errors import Invalid, Refused


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0/"), min_size=1, max_size=25))
@example("machine")
@example("a%20b c")
@example("unix:")
def test_what_is_printed_is_what_was_parsed(name: str) -> None:
    for text in (f"unix:///run/{name}", f"/srv/{name}"):
        address = AgentAddress.parse(text)
        assert AgentAddress.parse(str(address)) == address
        assert str(AgentAddress.parse(str(address))) == str(address)


@given(st.text(max_size=40))
@example("unix://relative")
@example("unix://")
@example("ssh://host")
@example("a\0b")
@example("~nobody-of-this-name/x")
@example("unix:///" + "x" * 200)
def test_any_text_is_an_address_or_an_error_that_says_what_would_be(text: str) -> None:
    hint = "unix:///"
    try:
        address = AgentAddress.parse(text)
    except Invalid as error:
        hint = error.hint or ""
    else:
        assert (address.folder is None) != (address.socket is None)
        assert address.socket is None or address.socket.is_absolute()
    assert "unix:///" in hint


def test_only_a_data_folder_has_files_and_may_have_an_agent_started(tmp_path: Path) -> None:
    mine = AgentAddress.of_folder(tmp_path)
    assert mine.can_start
    assert mine.files("This").root == tmp_path
    for text in ("unix:///tmp/forwarded.sock", "machine"):
        other = AgentAddress.parse(text)
        assert not other.can_start
        with pytest.raises(Refused, match=r"Restoring a backup needs the agent's data folder"):
            other.files("Restoring a backup")
    assert AgentAddress.parse("machine") == AgentAddress.parse("unix:///run/mlops-desk/agent.sock")
    assert str(AgentAddress.parse("unix:///run/mlops-desk/agent.sock")) == "machine"


def test_words_win_over_the_environment_and_an_address_over_a_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("MLOPS_DESK_DATA_DIR", raising=False)
    monkeypatch.delenv("MLOPS_DESK_ADDRESS", raising=False)
    assert str(choose(None, None)) == str(tmp_path / "mlops-desk")
    monkeypatch.setenv("MLOPS_DESK_DATA_DIR", "/srv/a")
    assert str(choose(None, None)) == "/srv/a"
    monkeypatch.setenv("MLOPS_DESK_ADDRESS", "unix:///tmp/b.sock")
    assert str(choose(None, None)) == "unix:///tmp/b.sock"
    assert str(choose(None, "/srv/c")) == "/srv/c"  # as an agent is started, with what its starter's shell had set
    assert str(choose("/srv/d", None)) == "/srv/d"
    with pytest.raises(Invalid, match="both say where"):
        choose("/srv/d", "/srv/c")
    assert module.ENVIRONMENT == "MLOPS_DESK_ADDRESS"
