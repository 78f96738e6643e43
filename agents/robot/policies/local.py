"""Policies for the simulated worlds that run in this process: networks, and experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from constellation.errors import ConfigError

from ..ports import Array, Observation, PolicySpec, Semantics
from ..sims.expert import plan
from ..sims.robot import world_named
from ..sims.world import RATE_HZ, World
from .correction import Corrected
from .flow import Flow, FlowPolicy, load_flow
from .inputs import HORIZON, LONGEST, Kind, inputs
from .network import Network, load
from .questions import InBatches, Question, stacked

WEIGHTS = Path(__file__).parent / "weights"


class LocalPolicy(InBatches):
    """A network that was trained on one world.

    Args:
        world: its name.
        kind: how the network was trained.
        network: from `inputs` to the velocities of a chunk, (B, H · A).
    """

    def __init__(self, world: str, kind: Kind, network: Network) -> None:
        self._world = _model(world)
        self._kind = kind
        self._network = network
        later = kind in (Kind.OFFSET, Kind.DELAY)
        self.spec = replace(
            _spec(self._world, f"{world}-{kind}"),
            takes_future_state=later,
            takes_delay=kind is Kind.DELAY,
            takes_prefix=kind is Kind.PREFIX,
        )

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A)."""
        state, things, delay = stacked(questions)
        joints = self.spec.action_dim
        given = [_given(each, joints) for each in questions]
        prefixes = np.zeros((len(questions), LONGEST, joints))
        if self._kind is Kind.PREFIX:
            delay = np.array([float(len(each)) for each in given])
            for row, each in zip(prefixes, given, strict=True):
                row[: len(each)] = each
        shown = inputs(self._kind, self._world, state, things, delay, prefixes)
        chunks: Array = self._network(shown).reshape(len(questions), HORIZON, joints)
        return _after(given, chunks) if self._kind is Kind.PREFIX else chunks


class ExpertPolicy:
    """The expert of a world; it knows the model, so it takes whatever it is told."""

    def __init__(self, world: str) -> None:
        self._world = _model(world)
        self.spec = replace(
            _spec(self._world, f"{world}-expert"), takes_future_state=True, takes_delay=True
        )

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions, (H, A)."""
        actions: Array = self.infer_batch([Question(observation, state, delay)])[0]
        return actions

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A)."""
        state, things, delay = stacked(questions)
        chunks: Array = plan(self._world, state, things, delay, HORIZON).astype(np.float32)
        return chunks


def local_policy(
    world: str, kind: str = Kind.DELAY
) -> LocalPolicy | ExpertPolicy | FlowPolicy | Corrected:
    """A policy that ships with the robot agent.

    Args:
        world: its name.
        kind: of `Kind`, or ``expert``.

    Raises:
        ConfigError: there is none.
    """
    if kind == "expert":
        return ExpertPolicy(world)
    path = weights_of(world, kind)
    if kind not in list(Kind) or not path.is_file():
        world_named(world)
        known = sorted(each for each in Kind if weights_of(world, each).is_file())
        fitting = ", ".join((*known, "expert"))
        raise ConfigError(
            f"There is no policy {kind!r} for the world {world}.", remedy=f"Take one of {fitting}."
        )
    match how := Kind(kind):
        case Kind.FLOW | Kind.FLOW_STANDARD | Kind.INPAINT:
            return flow_policy(world, how, load_flow(path))
        case Kind.CORRECTED:
            return corrected_policy(world, load(path))
    return LocalPolicy(world, how, load(path))


def flow_policy(world: str, kind: Kind, flow: Flow) -> FlowPolicy:
    """A policy by flow matching, of one of the kinds that are."""
    model, later = _model(world), kind is Kind.FLOW
    spec = replace(
        _spec(model, f"{world}-{kind}"),
        takes_future_state=later,
        takes_delay=later,
        inpaints=kind is Kind.INPAINT,
    )
    return FlowPolicy(model, flow, spec)


def corrected_policy(world: str, head: Network) -> Corrected:
    """The policy of `Kind.DELAY` with a head that corrects it."""
    chunks = LocalPolicy(world, Kind.DELAY, load(weights_of(world, Kind.DELAY)))
    return Corrected(_model(world), chunks, head, f"{world}-{Kind.CORRECTED}")


def weights_of(world: str, kind: str) -> Path:
    """Where the network of a policy lies."""
    return WEIGHTS / f"{world}-{kind}.npz"


def _model(world: str) -> World:
    """A world to compute with: it is never moved."""
    return world_named(world)(1, np.random.default_rng(0))


def _spec(world: World, name: str) -> PolicySpec:
    return PolicySpec(name, RATE_HZ, HORIZON, world.task.joints, Semantics.VELOCITY)


def _given(question: Question, joints: int) -> Array:
    """The prefix of a question as far as a network can take it, (n, A)."""
    if question.prefix is None:
        return np.zeros((0, joints), np.float32)
    return question.prefix[:LONGEST]


def _after(given: Sequence[Array], chunks: Array) -> Array:
    """Chunks that begin with the prefixes that were given, (B, H, A)."""
    whole = [
        np.concatenate((prefix, chunk))[:HORIZON]
        for prefix, chunk in zip(given, chunks, strict=True)
    ]
    return np.stack(whole).astype(np.float32)
