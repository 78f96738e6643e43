"""Channels over a medium that loses, repeats and reorders: every message comes once, in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from constellation.cluster.channel import Channel, Frame

Fate = st.sampled_from(["come", "come", "come", "lose", "twice", "late"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 700), Fate), max_size=40), st.data()
)
def test_every_message_comes_once_and_in_order(
    steps: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    ends = {"a": Channel(), "b": Channel()}
    said: dict[str, list[bytes]] = {"a": [], "b": []}
    heard: dict[str, list[bytes]] = {"a": [], "b": []}
    way: list[tuple[str, Frame]] = []
    now = 0.0

    def other(end: str) -> str:
        return "b" if end == "a" else "a"

    def arrive(to: str, frame: Frame) -> None:
        heard[to] += ends[to].receive(frame, now)

    for end, count, fate in steps:
        for _ in range(count):
            said[end].append(b"%d" % len(said[end]) + b"x" * 900)
            ends[end].send(said[end][-1])
        now += data.draw(st.sampled_from([0.0, 0.03, 0.6]))
        for frame in ends[end].frames(now):
            if fate == "late":
                way.insert(data.draw(st.integers(0, len(way))), (other(end), frame))
            for _ in range({"come": 1, "twice": 2}.get(fate, 0)):
                arrive(other(end), frame)
        if way and data.draw(st.booleans()):
            arrive(*way.pop())
    for _ in range(100):
        now += 1.0
        for end, channel in ends.items():
            for frame in channel.frames(now):
                arrive(other(end), frame)
    for end in ends:
        assert heard[other(end)] == said[end]
        assert ends[end].waiting == 0
        assert ends[end].deadline() is None


def test_silence_is_broken_only_to_acknowledge_or_to_say_again() -> None:
    a, b = Channel(), Channel()
    assert a.deadline() is None
    a.send(b"x")
    (frame,) = a.frames(0.0)
    assert a.frames(0.1) == []
    assert a.deadline() == 0.5
    assert a.frames(0.5) == [frame]
    assert b.receive(frame, 0.0) == [b"x"]
    assert b.deadline() == 0.02
    assert b.frames(0.0) == []
    (answer,) = b.frames(0.02)
    assert answer == Frame(1, 1, ())
    assert a.receive(answer, 0.03) == []
    assert a.deadline() is None
    assert b.deadline() is None
