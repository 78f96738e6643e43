"""Epochs: a deposed owner of a constellation is not obeyed."""

from __future__ import annotations

from agents.epochs import REMEMBERED, Epochs


def test_a_lower_epoch_than_one_heard_before_is_refused() -> None:
    epochs = Epochs()
    assert epochs.admit({"attempt": "c/a/1", "epoch": 5})
    assert epochs.admit({"attempt": "c/b/1", "epoch": 5})
    assert not epochs.admit({"attempt": "c/a/2", "epoch": 4})
    assert epochs.admit({"attempt": "d/a/1", "epoch": 2})
    assert epochs.admit({"attempt": "c/a/2", "epoch": 9})
    assert not epochs.admit({"attempt": "c/a/3", "epoch": 5})


def test_without_a_cluster_there_are_no_epochs() -> None:
    epochs = Epochs()
    assert epochs.admit({"attempt": "c/a/1", "epoch": 5})
    assert epochs.admit({"attempt": "c/a/1"})


def test_what_is_remembered_is_bounded() -> None:
    epochs = Epochs()
    for n in range(REMEMBERED + 10):
        assert epochs.admit({"attempt": f"c{n}/a/1", "epoch": 5})
    assert len(epochs._highest) == REMEMBERED
    assert not epochs.admit({"attempt": f"c{REMEMBERED}/a/1", "epoch": 4})
