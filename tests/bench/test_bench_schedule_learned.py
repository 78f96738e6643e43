"""The learned dispatching rule: its gradient, its training, and what it is without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.schedule.instance import instance
from bench.schedule.learned import WEIGHTS, Learned
from bench.schedule.network import Weights, embed, fresh, judge, load, means, pull_back
from bench.schedule.rules import RULES
from bench.schedule.training import Plan, _likelier, train, train_to, validate, with_weights
from bench.schedule.workloads import WORKLOADS

EDGES = ((0, 1), (0, 2), (1, 3), (2, 3))
LEARNED = "learned, graph network"


def some_weights() -> Weights:
    random = np.random.default_rng(1)
    return {name: random.normal(0.0, 0.3, each.shape) for name, each in fresh(0).items()}


def test_the_gradient_is_that_of_what_comes_out() -> None:
    random, weights = np.random.default_rng(2), some_weights()
    features, order = random.normal(size=(4, 8)), random.normal(size=4)
    devices, jobs = random.normal(size=(3, 6)), np.array([1, 1, 3])
    scores = random.normal(size=3)

    def value(changed: Weights) -> float:
        embedded = embed(changed, features, *means(4, EDGES))
        pairs = np.concatenate((embedded.states[-1][jobs], devices), axis=1)
        return float(embedded.order @ order + judge(changed, pairs) @ scores)

    embedded = embed(weights, features, *means(4, EDGES))
    pairs = np.concatenate((embedded.states[-1][jobs], devices), axis=1)
    found = pull_back(weights, embedded, order, pairs, jobs, scores)
    for name, slope in found.items():
        place = tuple(random.integers(0, size) for size in weights[name].shape)
        moved = {key: each.copy() for key, each in weights.items()}
        moved[name][place] += 1e-6
        above = value(moved)
        moved[name][place] -= 2e-6
        assert slope[place] == pytest.approx((above - value(moved)) / 2e-6, rel=1e-4, abs=1e-6)


def test_the_shipped_weights_finish_every_workload() -> None:
    for name, make in WORKLOADS.items():
        found = instance(5, make(5), make(6))
        for condition in ("calm", "outages"):
            assert found.makespan_s(RULES[LEARNED], condition) >= found.bound_s, name


def test_training_follows_from_its_seed_and_keeps_the_best(tmp_path: Path) -> None:
    plan = Plan(minutes=10, steps=2, instances=1, plays=2, kept=2)
    said: list[str] = []
    one = train_to(tmp_path / "w.npz", plan, said.append)
    other = train(plan, said.append)
    assert (one.ratio, one.steps, one.plays) == (other.ratio, 2, 4)
    assert said[0] == said[2]
    again = load(tmp_path / "w.npz")
    assert all(np.allclose(again[name], each) for name, each in one.weights.items())


def test_a_play_without_any_choice_of_devices_is_learned_from() -> None:
    """Each job of a chain of one device had that device alone to go to."""
    found = instance(5, WORKLOADS["fork–join"](5), WORKLOADS["fork–join"](6))
    weights = some_weights()
    tried = Learned(weights, found.workload, found.learned, np.random.default_rng(3))
    assert not tried.asked
    slopes = _likelier(weights, tried)
    assert slopes.keys() == weights.keys()
    assert all(np.isfinite(each).all() for each in slopes.values())
    assert any(each.any() for each in slopes.values())


def test_weights_can_be_judged_by_fresh_instances() -> None:
    assert 0.5 < validate(load(WEIGHTS), 2) < 2.0


def test_weights_are_those_of_the_network() -> None:
    shipped = load(WEIGHTS)
    assert {name: each.shape for name, each in shipped.items()} == {
        name: each.shape for name, each in fresh(0).items()
    }
    found = instance(7, WORKLOADS["fork–join"](7), WORKLOADS["fork–join"](8))
    rule = with_weights(shipped)
    assert found.makespan_s(rule, "calm") == found.makespan_s(RULES[LEARNED], "calm")
