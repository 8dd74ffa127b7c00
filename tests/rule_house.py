"""A house in which rules act: every way out fails until a test says what it does."""

from dataclasses import fields

from mlops_desk.automation.rules.actions.ports import ActionHouse
from mlops_desk.kit.base.errors import Unavailable


def action_house(**given):
    """Return a house that does what is ``given``, and else is unavailable."""

    def absent(name):
        def refuse(*_):
            raise Unavailable(f"There is no {name} here.")

        return refuse

    told = {"allow": lambda *_: None, "title": lambda subject: subject, **given}
    return ActionHouse(**{one.name: told.get(one.name, absent(one.name)) for one in fields(ActionHouse)})
