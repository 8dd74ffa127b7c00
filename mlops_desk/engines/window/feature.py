"""Images, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.engines.window import loads
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark


def _mark(store: Store) -> Mark | None:
    busy = sum(not task.state.is_final for task in loads.tasks(store).values())
    return Mark("info", str(busy), f"{numbers.count(busy, 'image')} on the way") if busy else None


def _things(context: Context) -> Iterator[Action]:
    for image in loads.images(context.store).values():
        yield go(context, "images", image.id, f"Image {image.name}", " ".join(image.tags))


FEATURE = Feature(
    later("mlops_desk.engines.window.page", "ImagesPage"),
    loads=loads.LOADS,
    badge=Badge(frozenset({loads.TASKS}), _mark),
    things=_things,
    sources=frozenset({"images"}),
    shows={"image": as_it_is, "image task": as_it_is},
    offers=(
        OfferedAct("images.prune", "Prune …", "clear clean away free disk"),
        OfferedAct("images.build", "Build …", "dockerfile image"),
        OfferedAct("images.pull", "Pull image …", "download image"),
        OfferedAct("images.remove", "Remove the chosen image …", "delete"),
        OfferedAct("images.job", "New job with the chosen image …", "run submit"),
        OfferedAct("images.copy", "Copy the chosen image's name"),
        OfferedAct("images.cancel", "Cancel the chosen pull or build …", "stop abort"),
        OfferedAct("images.again", "Begin the chosen pull again", "retry"),
        OfferedAct("images.images", "Images: images"),
        OfferedAct("images.disk", "Images: room and volumes"),
    ),
)
