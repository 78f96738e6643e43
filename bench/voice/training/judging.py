"""What a model is worth: the agent's own rule over it, on validation and on test speakers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.voice.events import FRAME_S
from agents.voice.pvad import Listener, Model, enrol
from bench.voice.deciders import ours
from bench.voice.interruptions import Events, Figures
from bench.voice.mixtures import Condition, streams
from bench.voice.speakers import BABBLE, GROUPS, people


def judged(path: Path, sounds: Path, repetitions: int) -> Mapping[tuple[str, Condition], Figures]:
    """When the agent is silent with this model, by group of people and condition.

    The streams are those of `python -m bench voice`, the same for every model.
    """
    model = Model(path)
    babble = people(BABBLE, sounds)
    found = {}
    for group, places in GROUPS.items():
        known = people(places, sounds)
        prints = {each.name: enrol(model, each.enrolment) for each in known}
        for condition in Condition:
            events = Events()
            for stream in streams(known, babble, condition, repetitions):
                listener = Listener(model, prints[stream.person.name])
                fires = ours(listener.push(stream.samples))["silent"]
                events.add(stream, fires, FRAME_S)
            found[group, condition] = events.figures()
    return found
