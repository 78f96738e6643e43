"""Learning from scenes: batches, loss, the state on disk, and what is kept at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.voice.pvad import WARM_STEPS

from .network import Heard, Network, Weights
from .store import CHANNELS, Store

# A voice should be known between these, and there an error counts as much more.
_ONSET_S = (0.1, 0.9)
_ONSET_WEIGHT = 2.2
_STEP_S = 0.02
_WARM_UP = 0.05
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn.

    Attributes:
        steps: of the optimiser.
        batch: scenes in each.
        rate: of learning, for what decides.
        encoder_rate: for the encoder; 0 leaves it as it is, and then it hears each scene but once.
        check_every: steps between looks at the validation scenes.
        minutes: at most.
    """

    steps: int = 1_500
    batch: int = 32
    rate: float = 4e-4
    encoder_rate: float = 0.0
    check_every: int = 100
    minutes: float = 60.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        weights: the best on validation scenes.
        step: after which they were so.
        losses: on validation scenes, by step.
    """

    weights: Weights
    step: int
    losses: dict[int, float]


@dataclass(frozen=True, slots=True)
class Batch:
    """B scenes, each with one of its people, or nobody, as the primary speaker.

    Attributes:
        voiceprint: (B, 256).
        primary, anyone: (B, n) whether they speak.
        weight: (B, n).
    """

    embedding: Tensor
    log_mel: Tensor
    level_db: Tensor
    voiceprint: Tensor
    primary: Tensor
    anyone: Tensor
    weight: Tensor


class Lessons:
    """A store, as batches. An encoder that does not change hears everything once, at first."""

    def __init__(
        self, store: Store, network: Network, *, tuned: bool, device: torch.device
    ) -> None:
        self._store = store
        self._network = network
        self._tuned = tuned
        self._device = device
        self._embeddings = self._prints = torch.zeros(0)
        if not tuned:
            with torch.no_grad():
                self._embeddings = self._heard(store.log_mel)
                flat = store.enrolments.reshape(-1, *store.enrolments.shape[2:])
                self._prints = _mean(self._heard(flat)[:, WARM_STEPS:].float())

    def __len__(self) -> int:
        return len(self._store.log_mel)

    def batches(self, size: int, seed: int, *, shuffled: bool) -> Iterator[Batch]:
        """All scenes once."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self)) if shuffled else np.arange(len(self))
        for begin in range(0, len(order), size):
            yield self._batch(order[begin : begin + size], rng)

    def _heard(self, log_mel: NDArray[np.float16]) -> Tensor:
        parts = [
            self._network.encoder(_power(torch.from_numpy(part).to(self._device).float())).half()
            for part in np.array_split(log_mel, max(1, len(log_mel) // _CHUNK))
        ]
        return torch.cat(parts).cpu()

    def _batch(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        store, rows = self._store, np.arange(len(chosen))
        slot = rng.choice(4, len(chosen), p=(0.45, 0.35, 0.05, 0.15))
        people, active = store.people[chosen], store.active[chosen]
        absent = rng.integers(len(store.enrolments), size=len(chosen))
        there = (slot < 3) & active[rows, slot % 3].any(axis=1)
        who = np.where(there, people[rows, slot % 3], absent)
        # Somebody taken at random may be in the scene after all.
        mine = active & (people == who[:, None])[:, :, None]
        primary, anyone = np.any(mine, axis=1), np.any(active, axis=1)
        log_mel = torch.from_numpy(store.log_mel[chosen]).float().to(self._device)
        channel = rng.integers(CHANNELS, size=len(chosen))
        if self._tuned:
            embedding = self._network.encoder(_power(log_mel))
            known = torch.from_numpy(store.enrolments[who, channel]).float().to(self._device)
            voiceprint = _mean(self._network.encoder(_power(known))[:, WARM_STEPS:])
        else:
            embedding = self._embeddings[chosen].float().to(self._device)
            voiceprint = self._prints[who * CHANNELS + channel].to(self._device)
        return Batch(
            embedding,
            log_mel,
            torch.from_numpy(store.level_db[chosen]).to(self._device),
            voiceprint,
            torch.from_numpy(primary).float().to(self._device),
            torch.from_numpy(anyone).float().to(self._device),
            torch.from_numpy(_weights(primary, anyone)).to(self._device),
        )


def learn(
    network: Network,
    lessons: Lessons,
    checks: Lessons,
    plan: Plan,
    checkpoint: Path,
    say: Callable[[str], None],
) -> Outcome:
    """Learn, or go on from the checkpoint, if there is one.

    The weights before any step are a candidate as well, so nothing that is worse is kept.
    """
    torch.manual_seed(plan.seed)
    groups: list[dict[str, Any]] = [{"params": list(network.decider.parameters()), "lr": plan.rate}]
    if plan.encoder_rate:
        groups.append({"params": list(network.encoder.parameters()), "lr": plan.encoder_rate})
    rates = [group["lr"] for group in groups]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    step, losses, best = 0, dict[int, float](), network.weights()
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        step, losses = kept["step"], kept["losses"]
        best = {name: each.numpy() for name, each in kept["best"].items()}
        say(f"Going on after step {step}.")
    else:
        losses[0] = _loss_on(network, checks, plan)
        say(f"Before any step, the loss on validation scenes is {losses[0]:.4f}.")
    began = time.monotonic()
    while step < plan.steps and time.monotonic() - began < 60 * plan.minutes:
        for batch in lessons.batches(plan.batch, plan.seed + 1 + step, shuffled=True):
            network.train()
            optimiser.zero_grad(set_to_none=True)
            loss = _loss(network, batch, tuned=bool(plan.encoder_rate))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for group, usual in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = usual * _share_of_rate(step / plan.steps)
            optimiser.step()
            step += 1
            if step % plan.check_every and step < plan.steps:
                continue
            losses[step] = _loss_on(network, checks, plan)
            say(f"Step {step}: loss {loss.item():.4f}, on validation scenes {losses[step]:.4f}.")
            if losses[step] <= min(losses.values()):
                best = network.weights()
            _keep(checkpoint, network, optimiser, step, losses, best)
            if step >= plan.steps or time.monotonic() - began >= 60 * plan.minutes:
                break
    return Outcome(best, min(losses, key=losses.__getitem__), losses)


def _share_of_rate(progress: float) -> float:
    """Rises for a twentieth of the steps, then falls as half a cosine."""
    if progress < _WARM_UP:
        return (progress + 0.002) / _WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))


def _keep(
    path: Path,
    network: Network,
    optimiser: torch.optim.Optimizer,
    step: int,
    losses: dict[int, float],
    best: Weights,
) -> None:
    part = path.with_suffix(".part")
    kept = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "losses": losses,
        "best": {name: torch.from_numpy(each) for name, each in best.items()},
    }
    torch.save(kept, part)
    part.replace(path)


def _loss(network: Network, batch: Batch, *, tuned: bool) -> Tensor:
    """Cross-entropies for the primary speaker, weighted after onsets, and for anyone.

    Where the encoder learns as well, it is to make the likeness alone tell voices apart.
    """
    heard: Heard = network.decider(batch.embedding, batch.log_mel, batch.level_db, batch.voiceprint)
    entropy = functional.binary_cross_entropy_with_logits
    primary = entropy(heard.primary, batch.primary, weight=batch.weight)
    anyone = entropy(heard.anyone, batch.anyone)
    loss = primary + 0.5 * anyone
    if tuned:
        likeness = entropy(8 * heard.cosine - 5, batch.primary, weight=batch.weight * batch.anyone)
        loss = loss + 0.4 * likeness
    return loss


def _loss_on(network: Network, checks: Lessons, plan: Plan) -> float:
    """The loss for the primary speaker alone, on the same choices each time."""
    network.eval()
    with torch.no_grad():
        found = []
        for batch in checks.batches(plan.batch, 0, shuffled=False):
            heard = network.decider(
                batch.embedding, batch.log_mel, batch.level_db, batch.voiceprint
            )
            entropy = functional.binary_cross_entropy_with_logits(
                heard.primary, batch.primary, weight=batch.weight, reduction="none"
            )
            found.append(entropy.mean(1))
    return float(torch.cat(found).mean())


def _weights(primary: NDArray[np.bool_], anyone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(B, n): more for a while after somebody begins, the primary speaker or anyone."""
    weights = np.ones(primary.shape, np.float32)
    first, last = (round(each / _STEP_S) for each in _ONSET_S)
    for speaks in (primary, anyone):
        before = np.pad(speaks, ((0, 0), (1, 0)))[:, :-1]
        rows, steps = np.nonzero(speaks & ~before)
        for row, step in zip(rows, steps, strict=True):
            span = slice(step + first, step + last)
            weights[row, span] = np.where(speaks[row, span], _ONSET_WEIGHT, weights[row, span])
    return weights


def _power(log_mel: Tensor) -> Tensor:
    return torch.exp(4 * log_mel - 6) - 1e-6


def _mean(embedding: Tensor) -> Tensor:
    return functional.normalize(embedding.mean(1), dim=-1)
