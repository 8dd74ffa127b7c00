"""What the page on models loads: a card for each model of the registry that is looked at."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.machine.records import event as events

if TYPE_CHECKING:
    from mlops_desk.registry.records.model import Model, Registry
    from mlops_desk.registry.records.version_hit import ModelCard

CARDS = Topic("model_cards")


def cards(store: Store) -> "dict[str, ModelCard]":
    """Return the cards that are known, by the name of the model."""
    return store.part(CARDS).value or {}


def _ask_cards(desk: ClientLike, store: Store) -> "dict[str, ModelCard]":
    return {card.name: card for card in desk.models.cards(uri=store.models_uri)}


def _ask_models(desk: ClientLike, store: Store) -> "dict[str, Model]":
    return {model.name: model for model in desk.models.list(uri=store.models_uri)}


def _ask_registry(desk: ClientLike, _store: Store) -> "Registry":
    return desk.models.server()


def _keep_registry(store: Store, event: events.RegistryChanged) -> bool:
    if event.uri is None:
        store.registry.value = event.registry
    return True


def _outdated(topic: Topic) -> Callable[[Store, events.RegistryChanged], bool]:
    """Tell who shows them, who asks anew: the event says only that some changed."""

    def keep(store: Store, _event: events.RegistryChanged) -> bool:
        store.part(topic).outdated = True
        return True

    return keep


LOADS = (
    Loaded(Topic.REGISTRY, _ask_registry, {events.RegistryChanged: _keep_registry}, early=True),
    Loaded(Topic.MODELS, _ask_models, {events.RegistryChanged: _outdated(Topic.MODELS)}),
    Loaded(CARDS, _ask_cards, {events.RegistryChanged: _outdated(CARDS)}),
)
