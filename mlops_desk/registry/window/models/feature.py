"""Models, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.registry.window.models import loads


def _things(context: Context) -> Iterator[Action]:
    known = loads.cards(context.store)
    for name, card in known.items():
        yield go(context, "models", name, f"Model {name}", " ".join(card.aliases))
    for name in context.store.models.value or {}:
        if name not in known:
            yield go(context, "models", name, f"Model {name}")


def _look(context: Context, uri: str | None) -> None:
    """Look at the models of a registry (None: the default one)."""
    context.store.models_uri = uri
    context.open_page("models", None)


FEATURE = Feature(
    later("mlops_desk.registry.window.models.page", "ModelsPage"),
    loads=loads.LOADS,
    things=_things,
    sources=frozenset({"registry", "models"}),
    shows={"model": as_it_is},
    acts={"models.look": _look},
    offers=(
        OfferedAct("models.alias", "Set an alias …", "champion promote roll back"),
        OfferedAct("models.unalias", "Take an alias away …", "remove alias"),
        OfferedAct("models.deploy", "Deploy the chosen version …", "serve endpoint"),
        OfferedAct("models.tag", "Write a tag …", "label"),
        OfferedAct("models.describe", "Describe …", "description"),
        OfferedAct("models.verify", "Verify the files", "hash sha256 changed"),
        OfferedAct("models.export", "Export …", "file archive save version"),
        OfferedAct("models.import", "Import a version …", "file archive register model"),
        OfferedAct("models.page", "Open MLflow's own page", "browser web ui"),
        OfferedAct("models.delete", "Delete the version …", "remove"),
        OfferedAct("models.delete-model", "Delete the model …", "remove"),
        OfferedAct("models.compare", "Compare with the champion", "versions differences"),
        OfferedAct("models.registries", "Registries …", "add tracking server store"),
        OfferedAct("models.start", "Start the tracking server", "mlflow"),
    ),
)
