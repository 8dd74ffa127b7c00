"""The verbs about aliases: a part of the service of models."""

from typing import Protocol

from mlops_desk.records.model import Model
from mlops_desk.records.registry.alias_move import AliasMove, AliasPreview
from mlops_desk.registry.access import RegistryAccess
from mlops_desk.registry.aliases.asking import AskedAliases, check_alias


class _AliasAccess(RegistryAccess, Protocol):
    aliases: AskedAliases


class AliasVerbs:
    """A part of the service of models. Each change is announced, whoever asked."""

    _core: _AliasAccess

    def history(self, model: str, uri: str | None = None, alias: str = "", at: float | None = None) -> list[AliasMove]:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return self._core.aliases.history(model, alias, at, chosen)

    def preview(self, model: str, alias: str, version: str, uri: str | None = None) -> AliasPreview:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return self._core.aliases.preview(model, check_alias(alias), version, chosen)

    def promote(
        self, model: str, alias: str, version: str, uri: str | None = None, expected: str | None = None
    ) -> Model:
        with self._core.default.chosen(uri) as chosen:
            moved = self._core.aliases.move(model, check_alias(alias), version, chosen, expected)
            self._core.changed(chosen)
            return moved

    def rollback(
        self,
        model: str,
        alias: str,
        uri: str | None = None,
        expected: str | None = None,
        version: str | None = None,
    ) -> Model:
        with self._core.default.chosen(uri) as chosen:
            moved = self._core.aliases.back(model, check_alias(alias), chosen, expected, version)
            self._core.changed(chosen)
            return moved

    def remove_alias(self, model: str, alias: str, uri: str | None = None, expected: str | None = None) -> Model:
        with self._core.default.chosen(uri) as chosen:
            moved = self._core.aliases.remove(model, check_alias(alias), chosen, expected)
            self._core.changed(chosen)
            return moved
