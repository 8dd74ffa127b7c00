"""What is raised where a model runs beside its endpoint and does not answer."""

from mlops_desk.base.errors import TimedOut


class Silent(TimedOut):
    """A model whose container runs is not ready in time, or gives no answer: the machine's doing, or the model's own.

    Who asks again does so a few times: what is wrong with a model stays wrong, and each try holds a container.
    """
