"""What is asked of the images of an engine, and how it is kept true.

That an image came or went is announced without the images: what is shown is then asked for anew.
"""

from mlops_desk.engines.records.image import ImageCard
from mlops_desk.engines.records.task import ImageTask
from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.machine.records import event as events

IMAGES, TASKS, ENGINE = Topic("images"), Topic("image_tasks"), Topic("images_engine")


def engine(store: Store) -> str:
    """Return the name of the engine whose images are shown."""
    return store.part(ENGINE).value or LOCAL_RUNTIME


def images(store: Store) -> dict[str, ImageCard]:
    """Return what is known of the images that are shown, by id."""
    return store.part(IMAGES).value or {}


def tasks(store: Store) -> dict[str, ImageTask]:
    """Return the pulls and builds of all engines, by id, the newest first."""
    return store.part(TASKS).value or {}


def _ask_images(desk: ClientLike, store: Store) -> dict[str, ImageCard]:
    return {image.id: image for image in desk.images.list(engine=engine(store))}


def _ask_tasks(desk: ClientLike, _store: Store) -> dict[str, ImageTask]:
    return {task.id: task for task in desk.images.tasks()}


def _moved(store: Store, event: events.ImagesChanged) -> bool:
    """Hear that what is shown is old; whoever shows it asks."""
    if event.engine != engine(store) or store.part(IMAGES).asked_at is None:
        return False
    store.part(IMAGES).asked_at = None
    return True


_put_task = announcements.put_first(lambda store: store.part(TASKS), lambda event: (event.task.id, event.task))

LOADS = (
    Loaded(IMAGES, _ask_images, {events.ImagesChanged: _moved}),
    Loaded(TASKS, _ask_tasks, {events.ImageTaskChanged: _put_task}, early=True),
)
