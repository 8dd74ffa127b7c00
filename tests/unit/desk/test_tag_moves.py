"""From a signed tag to the alias that it moves, by the real git, ssh-keygen and gate: what moves, and what does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.governance.policies.decision import MoveAsked
from mlops_desk.governance.policy_gate import Governing
from mlops_desk.governance.records.policy import WordState
from mlops_desk.governance.tag_signatures import SignedTags
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.service import RegistryCore
from tests.unit.desk.test_signed_tags import git, key, signed, text_of, written
from tests.unit.governance.policies.rig import ANNA, BO, World, as_user

_STORE = """import sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
client.create_registered_model("churn")
for _ in range(2):
    client.create_model_version("churn", sys.argv[2])
client.set_registered_model_alias("churn", "champion", "1")
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture
def world(tmp_path: Path):
    as_user(ANNA)
    made = World(tmp_path / "data")
    yield made
    made.close()


def policy(world: World, folder: Path, **given) -> None:
    world.policy(**{"people": 0, "signed_tag": True, "signers": key(folder, "ana"), **given})


def promote(world: World, repository: Path, tag: str, alias: str = "champion"):
    return SignedTags(world.governing, world.loop).promote(str(repository), tag, alias)


def words(world: World, version: str) -> list[WordState]:
    return [one.state for one in world.governing.ledger.words(MoveAsked("own", "churn", "champion", version))]


@pytest.mark.slow
def test_a_signed_tag_moves_the_alias_once_and_tells_of_it_ever_after(world, repository, tmp_path) -> None:
    policy(world, tmp_path)
    signed(repository, tmp_path / "ana", "promote/churn/2")
    made = promote(world, repository, "promote/churn/2")
    assert (made.state, world.champion, words(world, "2")) == ("moved", "2", [WordState.USED])
    assert any("ana@example.org" in one for one in made.agreed) or "ana@example.org" in (made.text or "")
    world.restart()
    assert promote(world, repository, "promote/churn/2").id == made.id, "who asks again moves nothing"
    assert len(world.core.aliases.history("churn", "champion", None, None)) == 1


@pytest.mark.slow
def test_a_tag_that_has_had_its_effect_brings_no_version_back(world, repository, tmp_path) -> None:
    policy(world, tmp_path)
    for version in ("2", "3"):
        signed(repository, tmp_path / "ana", f"promote/churn/{version}")
        promote(world, repository, f"promote/churn/{version}")
    with pytest.raises(Refused, match="counts for no second move"):
        promote(world, repository, "promote/churn/2")
    assert (world.champion, world.approvals.list()) == ("3", [])
    signed(repository, tmp_path / "ana", "promote/churn/2", "--force", "-m", "back to it")
    assert promote(world, repository, "promote/churn/2").state == "moved", "signed again it is another word"
    assert world.champion == "2"


@pytest.mark.slow
def test_a_tag_that_had_its_effect_and_is_written_otherwise_brings_no_version_back(world, repository, tmp_path) -> None:
    policy(world, tmp_path)
    for version in ("2", "3"):
        signed(repository, tmp_path / "ana", f"promote/churn/{version}")
        promote(world, repository, f"promote/churn/{version}")
    text = text_of(repository, "promote/churn/2")
    head, _, rest = text.partition(b"SIGNATURE-----\n")
    lines, end, last = rest.partition(b"-----END")
    written(repository, "promote/churn/2", head + b"SIGNATURE-----\n" + lines.replace(b"\n", b"") + b"\n" + end + last)
    assert text_of(repository, "promote/churn/2") != text, "the same signature, in one line"
    with pytest.raises(Refused, match="counts for no second move"):
        promote(world, repository, "promote/churn/2")
    assert world.champion == "3"


@pytest.mark.slow
def test_a_tag_that_an_earlier_program_knew_by_its_object_counts_no_second_time(world, repository, tmp_path) -> None:
    policy(world, tmp_path)
    signed(repository, tmp_path / "ana", "promote/churn/2")
    asked = MoveAsked("own", "churn", "champion", "2")
    named = "promote/churn/2", git(repository, "rev-parse", "promote/churn/2")
    world.approvals.ask("churn/2")
    world.promotions.tagged(asked, "SHA256:k", "ana", named)
    assert promote(world, repository, "promote/churn/2").state == "moved", "it tells of the move that was made"
    world.own.set_alias("churn", "champion", "1")
    with pytest.raises(Refused, match="counts for no second move"):
        promote(world, repository, "promote/churn/2")


@pytest.mark.slow
def test_a_wrong_key_no_policy_no_version_and_another_alias_move_nothing(world, repository, tmp_path) -> None:
    key(tmp_path, "eve")
    signed(repository, tmp_path / "eve", "promote/churn/2")
    with pytest.raises(Refused, match="No policy of churn@champion wants a signed tag") as caught:
        promote(world, repository, "promote/churn/2")
    assert "--signed-tag --signers FILE" in (caught.value.hint or "")
    world.policy(people=1)
    with pytest.raises(Refused, match="No policy"):
        promote(world, repository, "promote/churn/2")
    policy(world, tmp_path)
    with pytest.raises(Refused, match="not signed by a key of the policy"):
        promote(world, repository, "promote/churn/2")
    signed(repository, tmp_path / "ana", "promote/churn/9")
    with pytest.raises(NotFound, match="no version 9"):
        promote(world, repository, "promote/churn/9")
    with pytest.raises(NotFound, match=r"no tag promote/churn/3"):
        promote(world, repository, "promote/churn/3")
    with pytest.raises(Refused, match="No policy of churn@challenger"):
        promote(world, repository, "promote/churn/9", "challenger")
    for tag in ("v2", "promote/churn/two", "promote/churn/2/3", "promote//2", "promote/churn/2\n"):
        with pytest.raises(Invalid, match="names no version"):
            promote(world, repository, tag)
    assert (world.champion, world.approvals.list(), words(world, "2")) == ("1", [], [])


@pytest.mark.slow
def test_a_tag_for_another_version_is_no_word_for_this_one(world, repository, tmp_path) -> None:
    policy(world, tmp_path)
    signed(repository, tmp_path / "ana", "promote/churn/3")
    git(repository, "update-ref", "refs/tags/promote/churn/2", git(repository, "rev-parse", "promote/churn/3"))
    with pytest.raises(Refused, match="under another name"):
        promote(world, repository, "promote/churn/2")
    asked = world.approvals.ask("churn/2")
    assert promote(world, repository, "promote/churn/3").state == "moved"
    assert asked.lacking == ("no signed tag asks for it",)
    assert (world.champion, words(world, "2")) == ("3", [])


@pytest.mark.slow
def test_a_policy_that_wants_a_person_too_waits_for_them(world, repository, tmp_path) -> None:
    policy(world, tmp_path, people=1, not_author=True)
    signed(repository, tmp_path / "ana", "promote/churn/2")
    waits = promote(world, repository, "promote/churn/2")
    assert (waits.state, waits.lacking, world.champion) == ("waiting", ("nobody has approved it",), "1")
    again = promote(world, repository, "promote/churn/2")
    assert (again.id, words(world, "2")) == (waits.id, [WordState.GIVEN]), "it is one word, however often it is told"
    with pytest.raises(Refused, match="asks for its move"):
        world.approvals.approve(waits.id)
    as_user(BO)
    assert world.approvals.approve(waits.id).state == "moved"
    assert (world.champion, words(world, "2")) == ("2", [WordState.USED, WordState.USED])


@pytest.mark.slow
def test_a_tag_that_was_moved_while_it_waits_counts_no_more(world, repository, tmp_path) -> None:
    policy(world, tmp_path, people=1)
    signed(repository, tmp_path / "ana", "promote/churn/2")
    promote(world, repository, "promote/churn/2")
    signed(repository, tmp_path / "ana", "promote/churn/2", "--force", "-m", "moved")
    with pytest.raises(Refused, match="was moved since it was seen first"):
        promote(world, repository, "promote/churn/2")
    assert (world.champion, len(world.approvals.list())) == ("1", 1)


@pytest.mark.slow
def test_what_somebody_rejected_is_not_asked_for_again_by_the_same_tag(world, repository, tmp_path) -> None:
    policy(world, tmp_path, people=1)
    signed(repository, tmp_path / "ana", "promote/churn/2")
    world.approvals.reject(promote(world, repository, "promote/churn/2").id)
    with pytest.raises(Refused, match="counts for no second move"):
        promote(world, repository, "promote/churn/2")
    assert (world.champion, world.approvals.list()) == ("1", [])


@pytest.mark.slow
def test_an_alias_that_moved_meanwhile_wants_the_tag_to_be_told_again(world, repository, tmp_path) -> None:
    policy(world, tmp_path, people=1)
    signed(repository, tmp_path / "ana", "promote/churn/2")
    waits = promote(world, repository, "promote/churn/2")
    world.own.set_alias("churn", "champion", "3")
    as_user(BO)
    assert world.approvals.approve(waits.id).lacking == ("no signed tag asks for it",)
    assert world.champion == "3"
    assert promote(world, repository, "promote/churn/2").state == "moved"
    assert world.champion == "2"


@pytest.mark.slow
def test_a_real_store_of_mlflow_is_moved_by_a_tag(world, repository, tmp_path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    subprocess.run([sys.executable, "-c", _STORE, uri, str(tmp_path)], check=True, capture_output=True, timeout=170)
    journal = AliasJournal(world.state.alias_moves, world.state.alias_sights)
    core = RegistryCore(world.folder, world.bus, world.loop, lambda: None, lambda: uri, journal=journal)
    governing = Governing(core, world.state, world.bus, lambda _uid: True, lambda _run: None, world.audited.append)
    governing.policies.set("churn", people=0, signed_tag=True, signers=key(tmp_path, "ana"))
    signed(repository, tmp_path / "ana", "promote/churn/2")
    try:
        with pytest.raises(Refused, match="no signed tag asks for it"):
            core.set_alias("churn", "champion", "2", uri, None)
        assert (
            SignedTags(governing, world.loop).promote(str(repository), "promote/churn/2", "champion").state == "moved"
        )
        assert core.registries.open(uri).model("churn").aliases == {"champion": "2"}
    finally:
        core.stop()
