"""Who is let in at an endpoint, as it is kept: by hashes alone, never more than was said, whatever became of the file."""

import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Refused, TimedOut
from mlops_desk.serving.access import MOST_TOKENS, EndpointTokens
from mlops_desk.serving.gateway.access import LoopbackAccess
from mlops_desk.serving.gateway.messages import Rejected
from mlops_desk.serving.gateway.routes import EndpointRoutes
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.serving.service import TokenIssue


def endpoint(name: str = "front", *, token_required: bool = True) -> Endpoint:
    model = ModelRef("digits", "1", "models:/digits/1")
    return Endpoint(name, EndpointState.LIVE, None, 1, model, token_required=token_required)


def opens(tokens: EndpointTokens, of: Endpoint, token: str | None) -> bool:
    """Ask as the gateway does, by what the switchboard would hand it."""
    rules = tokens.rules(of)
    routes = EndpointRoutes((), "", tokens=rules.tokens, is_open=rules.is_open)
    try:
        LoopbackAccess(1, "agent").check_token(
            routes, {} if token is None else {b"authorization": f"Bearer {token}".encode()}
        )
    except Rejected as rejected:
        return rejected.answer.status != 401
    return True


@pytest.fixture
def tokens(tmp_path: Path) -> EndpointTokens:
    return EndpointTokens(tmp_path)


def test_a_new_endpoint_gets_a_token_and_its_hash_alone_is_kept(tokens: EndpointTokens, tmp_path: Path) -> None:
    token = tokens.settle("front", None, is_open=None)
    assert token is not None
    assert len(token) >= 43, "32 bytes, as text of 64 letters"
    assert opens(tokens, endpoint(), token)
    assert not opens(tokens, endpoint(), None)
    assert not opens(tokens, endpoint(), "")
    (file,) = (tmp_path / "front").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert token not in text
    assert hashlib.sha256(token.encode()).hexdigest() in text
    assert not opens(tokens, endpoint(), hashlib.sha256(token.encode()).hexdigest()), "the hash is no token"


def test_a_token_of_a_removed_endpoint_opens_no_later_one_of_its_name(tokens: EndpointTokens) -> None:
    token = tokens.settle("front", None, is_open=None)
    tokens.forget("front")
    assert not opens(tokens, endpoint(), token)
    later = tokens.settle("front", None, is_open=None)
    assert later is not None
    assert opens(tokens, endpoint(), later)
    assert not opens(tokens, endpoint(), token)


def test_a_deployment_leaves_who_is_let_in_as_it_was_unless_it_says_otherwise(tokens: EndpointTokens) -> None:
    token = tokens.settle("front", None, is_open=None)
    assert tokens.settle("front", endpoint(), is_open=None) is None
    assert opens(tokens, endpoint(), token)
    assert tokens.settle("front", endpoint(), is_open=True) is None
    assert opens(tokens, endpoint(), None)
    assert tokens.settle("front", endpoint(token_required=False), is_open=None) is None
    assert opens(tokens, endpoint(), None), "it stays open"
    assert tokens.settle("front", endpoint(token_required=False), is_open=False) is None, "it has a token already"
    assert not opens(tokens, endpoint(), None)
    assert opens(tokens, endpoint(), token)


def test_one_that_begins_open_gets_its_first_token_when_it_is_closed(tokens: EndpointTokens) -> None:
    assert tokens.settle("front", None, is_open=True) is None
    assert opens(tokens, endpoint(), None)
    token = tokens.settle("front", endpoint(token_required=False), is_open=False)
    assert token is not None
    assert opens(tokens, endpoint(), token)
    assert not opens(tokens, endpoint(), None)


def test_one_of_an_older_version_stays_open_until_somebody_says_otherwise(tokens: EndpointTokens) -> None:
    old = endpoint(token_required=False)
    assert opens(tokens, old, None)
    assert tokens.settle("front", old, is_open=None) is None
    assert opens(tokens, old, None)
    assert tokens.settle("front", old, is_open=False) is not None
    assert not opens(tokens, old, None)


def test_a_lost_file_closes_what_was_closed_and_a_damaged_one_lets_nobody_in(
    tokens: EndpointTokens, tmp_path: Path
) -> None:
    token = tokens.settle("front", None, is_open=None)
    file = tmp_path / "front" / "access.json"
    text = file.read_text()
    file.unlink()
    assert not opens(tokens, endpoint(), token)
    assert not opens(tokens, endpoint(), None)
    for damaged in ("", text[:-9], "[]", '{"is_open": "perhaps"}'):
        file.write_text(damaged)
        assert not opens(tokens, endpoint(token_required=False), None), damaged
    file.unlink()
    file.mkdir()
    assert not opens(tokens, endpoint(token_required=False), None)


def test_a_damaged_file_is_set_aside_when_a_new_token_is_made(tokens: EndpointTokens, tmp_path: Path) -> None:
    tokens.settle("front", None, is_open=True)
    (tmp_path / "front" / "access.json").write_text("{")
    token, rules = tokens.make(endpoint(token_required=False), revokes=False)
    assert not rules.is_open
    assert opens(tokens, endpoint(), token)
    assert not opens(tokens, endpoint(), None)
    assert len(list((tmp_path / "front").iterdir())) == 2


@pytest.mark.slow
def test_so_many_tokens_and_no_more_until_they_are_revoked(tokens: EndpointTokens) -> None:
    first = tokens.settle("front", None, is_open=None)
    for _ in range(MOST_TOKENS - 1):
        tokens.make(endpoint(), revokes=False)
    with pytest.raises(Refused, match="100 tokens") as refused:
        tokens.make(endpoint(), revokes=False)
    assert "--revoke" in str(refused.value.hint)
    assert opens(tokens, endpoint(), first)
    last, rules = tokens.make(endpoint(), revokes=True)
    assert len(rules.tokens) == 1
    assert opens(tokens, endpoint(), last)
    assert not opens(tokens, endpoint(), first)


def test_a_revocation_that_the_gateway_does_not_take_in_is_said(tokens: EndpointTokens) -> None:
    first = tokens.settle("front", None, is_open=None)
    stuck = TokenIssue(tokens, lambda: False)
    assert stuck.give(endpoint(), revokes=False).held == 2, "a token that opens a moment later is no fault"
    with pytest.raises(TimedOut, match="does not know it yet"):
        stuck.give(endpoint(), revokes=True)
    assert not opens(tokens, endpoint(), first)


ACTS = st.lists(
    st.tuples(st.sampled_from(("deploy", "open", "close", "make", "revoke", "remove")), st.sampled_from("abc")),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(acts=ACTS)
def test_no_token_opens_another_endpoint_and_none_comes_back_from_the_dead(
    acts: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokens = EndpointTokens(tmp_path_factory.mktemp("endpoints"))
    known: dict[str, Endpoint] = {}
    hold: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    dead: list[str] = []
    for act, name in acts:
        there = known.get(name)
        if act in {"deploy", "open", "close"}:
            token = tokens.settle(name, there, is_open={"deploy": None, "open": True, "close": False}[act])
            hold[name] += [token] if token else []
            known[name] = endpoint(name)
        elif there is None:
            continue
        elif act == "remove":
            tokens.forget(name)
            dead += hold[name]
            hold[name] = []
            del known[name]
        else:
            made, _ = tokens.make(there, revokes=act == "revoke")
            if act == "revoke":
                dead += hold[name]
                hold[name] = []
            hold[name].append(made)
        if name in known:
            known[name] = endpoint(name, token_required=not tokens.rules(known[name]).is_open)
        for here, shown in known.items():
            if not shown.token_required:
                continue
            assert all(opens(tokens, shown, token) for token in hold[here])
            others = [token for other in "abc" if other != here for token in hold[other]]
            assert not any(opens(tokens, shown, token) for token in (*others, *dead, None))
