"""Verbs about alerts."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import Length, Option, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.machine.records.alert import Alert, AlertRule


class Alerts(Protocol):
    """What is watched, and what is wrong at the moment."""

    @reads
    def list(
        self,
        state: Annotated[str | None, Option("STATE", "fires, unseen, silent or ended")] = None,
        level: Annotated[str | None, Option("LEVEL", "at least so grave: info, warning, alert")] = None,
        rule: Annotated[str | None, Option("RULE")] = None,
        device: Annotated[str | None, Option("DEVICE")] = None,
    ) -> "list_of[Alert]":
        """List alerts that fire now, then those that ended lately; only those that fit all that is given.

        ``unseen`` are those that fire, are not silent, and that nobody has acknowledged.
        """
        ...

    @reads
    def show(self, alert_id: str) -> "Alert":
        """Show one alert by its id, or by the beginning of it."""
        ...

    @reads
    def rules(self) -> "list_of[AlertRule]":
        """List what is watched, with thresholds."""
        ...

    @reads
    def rule(self, name: str) -> "AlertRule":
        """Show one rule."""
        ...

    @changes(who=Who.ADMINISTRATOR, before="rule", of=("alert rule", "name"))
    def configure(
        self,
        name: str,
        threshold: float | None = None,
        clear_at: float | None = None,
        for_seconds: float | None = None,
        level: str | None = None,
        enabled: bool | None = None,
    ) -> "AlertRule":
        """Change a rule; what is not given stays. ``level``: info, warning or alert."""
        ...

    @changes(before="show", why="it stays listed with the name of who saw it, and whoever looks first should say so")
    def acknowledge(self, alert_id: str) -> "Alert":
        """Say that an alert was seen: it stays listed, and is silent until it ends."""
        ...

    @changes(who=Who.OWNER, before="show", of=("alert", "alert_id"))
    def silence(self, alert_id: str, seconds: Annotated[float, Length("for")]) -> "Alert":
        """Tell nobody of an alert for a while, also when it ends and begins again; 0 ends that.

        It stays listed. When the time is over and the alert still fires, it is told anew. It is silent for everybody,
        so that is for whose process is behind it, and of the machine's own alerts for administrators.
        """
        ...

    @changes(who=Who.ADMINISTRATOR)
    def try_webhook(self) -> str:
        """Send a test message to the webhook, and say what came back."""
        ...
