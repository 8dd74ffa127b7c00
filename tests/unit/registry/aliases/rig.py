"""A registry in memory that can break off in the middle, and a clock that can be set."""

from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.aliases.alias_operations import AskedAliases
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.fake import FakeRegistry


class Clock:
    def __init__(self, at=1_000_000.0):
        self.at = at

    def __call__(self):
        return self.at


class Broken(FakeRegistry):
    """``before``/``after``: what is raised instead of, or after, the next write; ``blind``: by each look after it."""

    def __init__(self):
        super().__init__()
        self.before = self.after = self.blind = None
        self._broke = False

    def set_alias(self, name, alias, version):
        if self.before is not None:
            self._broke = True
            raise self.before
        moved = super().set_alias(name, alias, version)
        if self.after is not None:
            self._broke = True
            raise self.after
        return moved

    def model(self, name):
        if self._broke and self.blind is not None:
            raise self.blind
        return super().model(name)

    def heal(self):
        self.before = self.after = self.blind = None
        self._broke = False


class World:
    """The desk's own registry and another one, one journal, and people who come one after the other."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.clock = Clock()
        monkeypatch.setattr("mlops_desk.kit.base.agent_clock.now", self.clock)
        self.registries = {None: Broken(), "http://other": Broken()}
        self.open()

    def open(self):
        """Begin, as an agent does after a restart."""
        self.state = State(self.folder / "state.db")
        self.journal = AliasJournal(self.state.alias_moves, self.state.alias_sights)
        self.aliases = AskedAliases(
            self.registries.__getitem__, self.registries.__getitem__, lambda uri: uri or "own", self.journal
        )

    def restart(self):
        self.state.close()
        self.open()

    @property
    def own(self):
        return self.registries[None]

    def add(self, name="churn", versions=4, uri=None):
        for _ in range(versions):
            self.registries[uri].add_version(name)

    def look(self, uri=None):
        glance = self.aliases.glance(uri)
        return self.aliases.seen(glance, self.registries[uri].models())

    def as_user(self, uid):
        set_caller(Caller(uid, uid, 1))

    def told(self, model="churn", alias="champion", uri=None, at=None):
        """Return the history, oldest first, as (at, from, to, who)."""
        moves = self.aliases.history(model, alias, at, uri)
        ordered = moves if at is not None else moves[::-1]
        return [(move.at, move.from_version, move.to_version, move.who) for move in ordered]
