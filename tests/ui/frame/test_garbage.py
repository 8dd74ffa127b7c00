"""The window collects garbage by itself, and gives back at its end what it took, no more."""

import gc

import pytest

from mlops_desk.desk.window.app import GuiCollector

SETTLE = GuiCollector.settle  # which tests of windows do without


def test_what_somebody_else_has_frozen_stays_so_at_the_end_of_a_window(qapp, monkeypatch: pytest.MonkeyPatch):
    gc.freeze()
    told: list[str] = []  # a count would do no more: frozen objects that die in between leave it too
    monkeypatch.setattr(gc, "unfreeze", lambda: told.append("unfreeze"))
    collector = GuiCollector()
    collector.start()
    collector.stop()
    gc.disable()  # as in all tests of windows
    assert told == []


def test_what_a_window_has_loaded_is_walked_no_more_until_it_ends(qapp, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: told.append("freeze"))
    monkeypatch.setattr(gc, "unfreeze", lambda: told.append("unfreeze"))
    collector = GuiCollector()
    collector.start()
    assert not gc.isenabled()
    SETTLE(collector)
    assert told == ["freeze"]
    collector.stop()
    assert told == ["freeze", "unfreeze"]
    assert gc.isenabled()
    gc.disable()
