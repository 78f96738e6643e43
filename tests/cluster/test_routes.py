"""Who speaks for a constellation: the highest epoch that was heard of, and nobody else."""

from __future__ import annotations

from constellation.cluster.routes import Routes


def test_the_highest_epoch_speaks() -> None:
    routes = Routes()
    routes.open("a")
    routes.open("b")
    assert routes.admit("c", "a", 3)
    assert routes.admit("c", "a", 3)
    assert not routes.admit("c", "b", 3)
    assert not routes.admit("c", "b", 2)
    assert routes.owner("c") == "a"
    assert routes.admit("c", "b", 7)
    assert not routes.admit("c", "a", 3)
    assert routes.owner("c") == "b"
    assert routes.refused == 3


def test_an_owner_that_cannot_be_reached_is_none_and_its_epoch_still_counts() -> None:
    routes = Routes()
    routes.open("a")
    assert routes.admit("c", "a", 3)
    routes.lose("a")
    assert routes.owner("c") is None
    assert not routes.admit("c", "b", 2)
    routes.open("b")
    assert routes.admit("c", "b", 4)
    assert routes.owner("c") == "b"


def test_only_its_owner_says_that_it_has_ended() -> None:
    routes = Routes()
    routes.open("a")
    assert routes.admit("c", "a", 3)
    routes.forget("c", "b")
    assert routes.owner("c") == "a"
    routes.forget("c", "a")
    assert routes.owner("c") is None
