"""`python -m bench.voice train`: from recordings to a model with its card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from agents.voice.pvad import PATH
from bench.voice import resemblyzer
from bench.voice.speakers import VALIDATION
from constellation.errors import ConfigError

from . import graph
from .card import Card, write_card
from .judging import judged
from .learning import Lessons, Plan, learn
from .network import Network
from .roster import TRAINING, Voice, voices
from .store import prepared

RESEMBLYZER = "resemblyzer"
_CHECK_SEED = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to train.

    Attributes:
        out: folder of the scenes, the checkpoint, the model and its card.
        sounds: where Debian's packages have put their recordings.
        clips: a folder of LibriSpeech utterances; None does without.
        start: a model to begin with, or ``resemblyzer`` for its encoder alone; None for what ships.
        scenes: to learn from; a tenth as many choose among the steps.
        quick: a few voices, scenes and steps: to see that it works.
    """

    out: Path
    sounds: Path
    clips: Path | None
    start: str | None = None
    scenes: int = 1_500
    quick: bool = False

    def shortened(self) -> Wanted:
        """Enough to see that it works."""
        return replace(self, scenes=10, clips=None, quick=True)


def train(wanted: Wanted, plan: Plan, say: Callable[[str], None]) -> Path:
    """Make scenes, learn, and write the model and its card. What is there already is gone on with.

    Returns:
        The model.

    Raises:
        ConfigError: recordings or a package are missing, or the start is no model.
    """
    torch.set_num_threads(1 if not torch.cuda.is_available() else 4)
    torch.manual_seed(plan.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = started(wanted.start).to(device)
    wanted.out.mkdir(parents=True, exist_ok=True)
    few = 3 if wanted.quick else None

    def known() -> list[Voice]:
        return voices(dict(islice(TRAINING.items(), few)), wanted.sounds, wanted.clips, plan.seed)

    def others() -> list[Voice]:
        return voices(dict(islice(VALIDATION.items(), few)), wanted.sounds, None, _CHECK_SEED)

    scenes = prepared(known, wanted.out / "scenes", plan.seed, wanted.scenes, say)
    fewer = max(2, wanted.scenes // 10)
    checks = prepared(others, wanted.out / "checks", _CHECK_SEED, fewer, say)
    say(f"{len(scenes.names)} voices to learn from, {len(checks.names)} to check with.")
    tuned = bool(plan.encoder_rate)
    lessons = Lessons(scenes, network, tuned=tuned, device=device)
    looks = Lessons(checks, network, tuned=tuned, device=device)
    learnt = learn(network, lessons, looks, plan, wanted.out / "checkpoint.pt", say)
    model = wanted.out / "pvad.onnx"
    graph.write(learnt.weights, model, {"name": "constellation-pvad 2", "card": "pvad.md"})
    compared = {} if wanted.quick else {"what ships": PATH, "trained": model}
    figures = {name: judged(path, wanted.sounds, 1) for name, path in compared.items()}
    start = Path(wanted.start or PATH).name
    write_card(
        wanted.out / "pvad.md",
        Card(list(scenes.names), plan, wanted.scenes, start, learnt, figures),
    )
    return model


def started(start: str | None) -> Network:
    """A network that begins with the weights of a model, or with Resemblyzer's encoder.

    Raises:
        ConfigError: there is no such model, or Resemblyzer is not installed.
    """
    network = Network()
    if start != RESEMBLYZER:
        path = Path(start or PATH)
        if not path.is_file():
            raise ConfigError(f"There is no model {path}.")
        network.take(graph.read(path))
        return network
    encoder = {name: torch.from_numpy(each) for name, each in resemblyzer.weights().items()}
    network.encoder.load_state_dict(encoder)
    return network
