"""A flat list of children that know their parents, put in the order of a tree."""

from collections.abc import Mapping


def in_order_of_tree(parents: Mapping[int, int | None]) -> list[tuple[int, int]]:
    """Return each key with how deep it stands, children below their parents, otherwise in the order given.

    A parent that is no key is none; where keys are one another's ancestors (a pid was given anew) one of them begins.
    """
    children: dict[int | None, list[int]] = {}
    for key, parent in parents.items():
        children.setdefault(parent if parent in parents and parent != key else None, []).append(key)
    placed: dict[int, int] = {}
    for begin in (*children.get(None, ()), *parents):
        waiting = [(begin, 0)]
        while waiting:
            key, depth = waiting.pop()
            if key not in placed:
                placed[key] = depth
                waiting += [(child, depth + 1) for child in reversed(children.get(key, ()))]
    return [*placed.items()]
