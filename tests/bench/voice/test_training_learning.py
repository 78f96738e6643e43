"""The personalised detector learns, is kept, and is written as the agent runs it.

PyTorch is a gigabyte, so it belongs to the extra `train` alone; where it is not installed, as in
continuous integration, these tests are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from agents.voice.pvad import PATH, Listener, Model, enrol  # noqa: E402
from agents.voice.sound import RATE_HZ, Samples  # noqa: E402
from bench.voice.speakers import Person  # noqa: E402
from bench.voice.training import graph  # noqa: E402
from bench.voice.training.card import Card, write_card  # noqa: E402
from bench.voice.training.command import started  # noqa: E402
from bench.voice.training.learning import Lessons, Outcome, Plan, learn  # noqa: E402
from bench.voice.training.roster import Voice  # noqa: E402
from bench.voice.training.store import Store, features, prepared  # noqa: E402
from constellation.errors import ConfigError  # noqa: E402

pytestmark = pytest.mark.full
torch.set_num_threads(1)

PLAN = Plan(steps=4, batch=4, check_every=2)


def babble(seed: int, seconds: float) -> Samples:
    """Noise with the pace of syllables and a colour of its own."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    sound = np.convolve(rng.standard_normal(count), rng.standard_normal(24), "same")
    sound *= np.repeat(rng.random(count // 1_600 + 1) > 0.3, 1_600)[:count]
    return (0.07 * sound / sound.std()).astype(np.float32)


def known(count: int, first: int) -> list[Voice]:
    names = [f"kt_{number}" for number in range(first, first + count)]
    return [
        Voice(Person(name, "somewhere", babble(n, 5), (babble(n, 1.5), babble(n, 2))), name, 1.0)
        for n, name in enumerate(names, first)
    ]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    """To learn from, and to check with."""
    folder = tmp_path_factory.mktemp("stores")
    said: list[str] = []
    scenes = prepared(lambda: known(4, 10), folder / "scenes", 0, 8, said.append)
    return scenes, prepared(lambda: known(4, 20), folder / "checks", 1, 4, said.append)


def learnt(
    stores: tuple[Store, Store], folder: Path, plan: Plan, said: list[str] | None = None
) -> Outcome:
    network, device = started(None), torch.device("cpu")
    scenes, checks = (
        Lessons(store, network, tuned=bool(plan.encoder_rate), device=device) for store in stores
    )
    say = (said if said is not None else []).append
    return learn(network, scenes, checks, plan, folder / "checkpoint.pt", say)


def test_network_is_what_the_agent_runs(tmp_path: Path) -> None:
    weights = graph.read(PATH)
    graph.write(weights, tmp_path / "same.onnx", {"name": "same"})
    sound = babble(1, 7)
    shipped, written = Model(), Model(tmp_path / "same.onnx")
    voiceprint = enrol(shipped, babble(2, 5))
    assert enrol(written, babble(2, 5)).likeness(voiceprint) == pytest.approx(1, abs=1e-6)
    heard = [Listener(model, voiceprint).push(sound) for model in (shipped, written)]
    for first, second in zip(*heard, strict=True):
        assert second.primary == pytest.approx(first.primary, abs=1e-6)
        assert second.anyone == pytest.approx(first.anyone, abs=1e-6)
    network = started(None).eval()
    log_mel, level_db = features(sound)
    bands = torch.from_numpy(log_mel)[None].float()
    with torch.no_grad():
        embedding = network.encoder(torch.exp(4 * bands - 6) - 1e-6)
        whole = network.decider(
            embedding,
            bands,
            torch.from_numpy(level_db)[None],
            torch.from_numpy(voiceprint.vector)[None],
        )
    anyone = torch.sigmoid(whole.anyone)[0].numpy()
    assert np.abs(anyone - [each.anyone for each in heard[0]]).max() < 0.02


def test_it_learns_and_goes_on_from_its_checkpoint(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    said: list[str] = []
    half = learnt(stores, tmp_path, Plan(steps=4, batch=4, check_every=2, minutes=0), said)
    # No time at all: what it began with.
    assert half.losses.keys() == {0}
    whole = learnt(stores, tmp_path, PLAN, said)
    assert list(whole.losses) == [0, 2, 4]
    assert whole.losses[whole.step] == min(whole.losses.values())
    assert any(np.abs(each - half.weights[name]).max() > 0 for name, each in whole.weights.items())
    assert all(
        np.array_equal(each, half.weights[name])
        for name, each in whole.weights.items()
        if name.startswith("encoder")
    )
    longer = learnt(stores, tmp_path, Plan(steps=6, batch=4, check_every=2), said)
    assert "Going on after step 4." in said
    assert list(longer.losses) == [0, 2, 4, 6]


def test_what_only_gets_worse_is_not_kept(stores: tuple[Store, Store], tmp_path: Path) -> None:
    found = learnt(stores, tmp_path, Plan(steps=2, batch=4, rate=3.0, check_every=1))
    assert found.step == 0
    shipped = graph.read(PATH)
    assert all(np.array_equal(each, shipped[name]) for name, each in found.weights.items())


def test_encoder_learns_where_it_is_told_to(stores: tuple[Store, Store], tmp_path: Path) -> None:
    found = learnt(stores, tmp_path, Plan(steps=2, batch=4, encoder_rate=1e-4, check_every=1))
    moved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["network"]
    before = graph.read(PATH)
    name = "encoder.lstm.weight_hh_l0"
    assert not np.array_equal(moved[name].numpy(), before[name])
    assert list(found.losses) == [0, 1, 2]


def test_same_seed_learns_the_same(stores: tuple[Store, Store], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (learnt(stores, tmp_path / name, PLAN) for name in ("a", "b"))
    assert first.losses == second.losses


def test_card_names_everybody(tmp_path: Path) -> None:
    outcome = Outcome({}, 2, {0: 0.5, 2: 0.4})
    names = ["kt_da", "kt_da'", "ls_19", "ls_19'"]
    write_card(tmp_path / "card.md", Card(names, PLAN, 10, "pvad.onnx", outcome, {}))
    text = (tmp_path / "card.md").read_text()
    assert "- ktuberling-data (GPL-2 or later, CC BY): kt_da\n" in text
    assert "an utterance of each of 1 speakers" in text
    assert "4 voices in all" in text
    assert "| 2 | 0.4000 |" in text
    assert "carlo_it" in text


def test_missing_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"There is no model nowhere\.onnx"):
        started("nowhere.onnx")
