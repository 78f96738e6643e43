"""The table of exclusive resources, and what orchestrators do to it."""

from __future__ import annotations

from constellation.cluster.allotment import Allotment, Hold, Wish
from constellation.cluster.asking import Asking


def wish(id: str, constellation: str, *resources: str, epoch: int = 1) -> Wish:
    return Wish(id, constellation, epoch, resources)


def table(*wishes: Wish) -> Allotment:
    made = Allotment()
    for each in wishes:
        made.want(each)
    made.settle()
    return made


def step(asking: Asking, found: Allotment, owned: dict[str, int], *gone: str) -> list[object]:
    asking.edit(found, owned, gone)
    return list(asking.seen(found))


def users(found: Allotment) -> dict[str, str]:
    return {resource: each.constellation for resource, each in found.held.items()}


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def test_a_wish_gets_all_or_nothing() -> None:
    found = table(wish("a/1", "c", "arm"), wish("b/1", "d", "camera", "arm"))
    assert users(found) == {"arm": "c"}
    found.drop({"a/1"})
    found.settle()
    assert users(found) == {"camera": "d", "arm": "d"}


def test_nobody_is_overtaken() -> None:
    found = table(
        wish("a/1", "c", "arm"), wish("b/1", "d", "camera", "arm"), wish("b/2", "e", "camera")
    )
    assert users(found) == {"arm": "c"}, "the camera is kept for d, who waits longer"
    found.drop({"a/1"})
    found.settle()
    assert users(found) == {"camera": "d", "arm": "d"}
    found.drop({"b/1"})
    found.settle()
    assert users(found) == {"camera": "e"}


def test_it_is_the_same_after_it_was_written() -> None:
    found = table(wish("a/1", "c", "arm", "camera"), wish("b/1", "d", "arm"))
    again = Allotment.read(found.pack())
    assert again.held == found.held
    assert again.waiting == found.waiting
    assert again.pack() == found.pack()
    assert Allotment.read(b"").pack() == Allotment().pack()


def test_an_owner_that_was_deposed_gets_nothing() -> None:
    found = table(wish("a/1", "c", "arm"))
    found.pass_on("c", 2, "b/1")
    found.want(wish("a/2", "c", "camera"))
    found.settle()
    assert found.held == {"arm": Hold("c", 2, "b/1")}
    assert found.waiting == []


# ── an orchestrator ─────────────────────────────────────────────────────────────────────────────


def test_a_wish_is_told_of_once_when_it_is_fulfilled() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    a.want("c", 1, ("arm",))
    b.want("d", 1, ("arm",))
    assert step(a, found, {"c": 1}) == [("c", ("arm",))]
    assert step(b, found, {"d": 1}) == []
    assert b.waits
    assert step(a, found, {"c": 1}) == []
    a.free("c", ("arm",))
    assert step(a, found, {"c": 1}) == []
    assert step(b, found, {"d": 1}) == [("d", ("arm",))]
    assert not b.waits
    assert users(found) == {"arm": "d"}


def test_what_is_wanted_again_waits_behind_others() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    a.want("c", 1, ("arm",))
    step(a, found, {"c": 1})
    b.want("d", 1, ("arm",))
    step(b, found, {"d": 1})
    a.free("c", ("arm",))
    a.want("c", 1, ("arm",))
    assert step(a, found, {"c": 1}) == []
    assert users(found) == {"arm": "d"}


def test_many_constellations_of_one_owner_have_one_wish_in_the_table() -> None:
    a, found = Asking("a"), Allotment()
    owned = {f"c{n}": 1 for n in range(100)}
    for name in owned:
        a.want(name, 1, ("arm",))
        a.want(name, 1, ("arm",))
    order = []
    while fulfilled := step(a, found, owned):
        step(a, found, owned)
        assert len(found.waiting) <= 1
        order += [ask[0] for ask in fulfilled]  # type: ignore[index]
        a.free(order[-1], ("arm",))
    assert order == list(owned)


def test_an_edit_that_may_have_been_written_is_made_again() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    a.want("c", 1, ("arm",))
    a.edit(found, {"c": 1})
    first = found.pack()
    a.edit(found, {"c": 1})
    assert found.pack() == first
    b.want("d", 1, ("arm",))
    step(b, found, {"d": 1})
    assert step(a, found, {"c": 1}) == [("c", ("arm",))]
    a.free("c", ("arm",))
    for _ in range(2):
        a.edit(found, {"c": 1})
        assert users(found) == {"arm": "d"}


def test_a_part_may_be_given_back() -> None:
    a, found = Asking("a"), Allotment()
    a.want("c", 1, ("camera", "arm"))
    step(a, found, {"c": 1})
    a.free("c", ("camera",))
    step(a, found, {"c": 1})
    assert users(found) == {"arm": "c"}
    assert a.had("c") == ("arm",)


def test_whoever_takes_over_has_it_and_the_owner_before_cannot_give_it_back() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    a.want("c", 1, ("arm",))
    a.want("c", 1, ("camera",))
    step(a, found, {"c": 1})
    b.adopt("c", 2)
    step(b, found, {})
    assert set(b.had("c")) == {"arm", "camera"}
    a.free("c", ("arm",))
    a.want("c", 1, ("drill",))
    step(a, found, {"c": 1})
    assert users(found) == {"arm": "c", "camera": "c"}
    b.free("c", ("arm",))
    step(b, found, {"c": 2})
    assert users(found) == {"camera": "c"}


def test_what_a_deposed_owner_still_got_is_dropped_by_the_one_after_it() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    b.adopt("c", 2)
    step(b, found, {})
    a.want("c", 1, ("arm",))
    assert step(a, found, {"c": 1}) == [("c", ("arm",))], "it does not know yet"
    step(b, found, {"c": 2})
    assert users(found) == {}


def test_an_adoption_during_a_write_is_made_with_the_next() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    a.want("c", 1, ("arm",))
    step(a, found, {"c": 1})
    b.edit(found, {})
    b.adopt("c", 2)
    b.seen(found)
    assert b.had("c") == ()
    step(b, found, {})
    assert b.had("c") == ("arm",)


def test_what_ended_without_a_word_is_free() -> None:
    a, b, found = Asking("a"), Asking("b"), Allotment()
    a.want("c", 1, ("arm",))
    step(a, found, {"c": 1})
    b.want("d", 1, ("arm",))
    assert step(b, found, {"d": 1}) == []
    assert step(b, found, {"d": 1}, "c") == [("d", ("arm",))]


def test_what_is_let_go_leaves_nothing() -> None:
    a, found = Asking("a"), Allotment()
    a.want("c", 1, ("arm",))
    step(a, found, {"c": 1})
    a.want("c", 1, ("camera",))
    a.want("d", 1, ("camera",))
    step(a, found, {"c": 1, "d": 1})
    a.forget("c")
    assert step(a, found, {"d": 1}) == [("d", ("camera",))]
    assert users(found) == {"camera": "d"}
