"""Resemblyzer's encoder without PyTorch, and the gate that is made of it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.voice.models.loading import loaded
from agents.voice.sound import RATE_HZ, resampled
from bench.voice.deciders import Silero
from bench.voice.gate import LIKE, Gate
from bench.voice.resemblyzer import Encoder, mel_power, read
from constellation.errors import ConfigError

MAGIC = 0x1950A86A20F9469CFC6C


def plain(value: object) -> bytes:
    """A pickle of it, to be put into another."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """As PyTorch pickles one, that need not be installed here."""
    storage = b"(" + plain("storage") + b"ctorch\nFloatStorage\n" + plain(key) + plain("cpu")
    rest = plain(offset) + plain(shape) + plain(strides) + plain(False) + plain({})
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + plain(6) + b"tQ" + rest + b"tR"


def kept(path: Path, state: dict[str, bytes], storages: dict[str, NDArray[np.float32]]) -> Path:
    """A file as PyTorch wrote them."""
    items = b"".join(plain(name) + each + b"s" for name, each in state.items())
    body = b"\x80\x02}" + plain("model_state") + b"}" + items + b"s."
    heads = (MAGIC, 1001, {"little_endian": True})
    numbers = [np.int64(len(each)).tobytes() + each.tobytes() for each in storages.values()]
    parts = [*(pickle.dumps(each, 2) for each in heads), body, pickle.dumps(list(storages), 2)]
    path.write_bytes(b"".join(parts + numbers))
    return path


def test_weights_are_read_without_pytorch(tmp_path: Path) -> None:
    storages = {"1": np.arange(10, dtype=np.float32), "0": np.float32([7])}
    state = {
        "lstm.bias_ih_l0": tensor("1", 4, (2, 3), (3, 1)),
        "similarity_bias": tensor("0", 0, (1,), (1,)),
    }
    found = read(kept(tmp_path / "weights.pt", state, storages))
    assert list(found) == ["lstm.bias_ih_l0"]
    assert found["lstm.bias_ih_l0"].tolist() == [[4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    "value",
    [
        b"cbuiltins\nprint\n(" + plain("caught") + b"tR",
        tensor("1", 0, (2, 2), (1, 2)),
        plain("no tensor") + b"cposix\nsystem\n0",
    ],
)
def test_file_that_wants_more_than_tensors_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: bytes
) -> None:
    path = kept(tmp_path / "weights.pt", {"linear.bias": value}, {"1": np.zeros(4, np.float32)})
    with pytest.raises(ConfigError, match="no weights of Resemblyzer's"):
        read(path)
    assert capsys.readouterr().out == ""


def test_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    state = {"linear.bias": tensor("1", 0, (4,), (1,))}
    path = kept(tmp_path / "weights.pt", state, {"1": np.zeros(4, np.float32)})
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ConfigError):
            read(path)


def sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-value))


def test_encoder_computes_what_an_lstm_does() -> None:
    rng = np.random.default_rng(0)
    weights = {
        "linear.weight": rng.normal(0, 0.1, (256, 256)),
        "linear.bias": rng.normal(0, 0.1, 256),
    }
    for layer, width in enumerate((40, 256, 256)):
        for part, size in (("ih", width), ("hh", 256)):
            weights[f"lstm.weight_{part}_l{layer}"] = rng.normal(0, 0.1, (1024, size))
            weights[f"lstm.bias_{part}_l{layer}"] = rng.normal(0, 0.1, 1024)
    windows = [rng.normal(0, 1, (length, 40)).astype(np.float32) for length in (3, 6, 1, 6)]
    found = Encoder({name: each.astype(np.float32) for name, each in weights.items()}).embed(
        windows
    )
    for window, embedding in zip(windows, found, strict=True):
        heard = [each.astype(np.float64) for each in window]
        for layer in range(3):
            hidden, cell, above = np.zeros(256), np.zeros(256), []
            for each in heard:
                gates = sum(
                    weights[f"lstm.weight_{part}_l{layer}"] @ value
                    + weights[f"lstm.bias_{part}_l{layer}"]
                    for part, value in (("ih", each), ("hh", hidden))
                )
                enter, keep, new, out = np.split(gates, 4)
                cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(new)
                hidden = sigmoid(out) * np.tanh(cell)
                above.append(hidden)
            heard = above
        raw = np.maximum(weights["linear.weight"] @ hidden + weights["linear.bias"], 0)
        assert embedding == pytest.approx(raw / np.linalg.norm(raw), abs=1e-5)
    assert Encoder({k: v.astype(np.float32) for k, v in weights.items()}).embed([]).shape == (
        0,
        256,
    )


def test_mel_power_is_of_the_sound_that_was_heard() -> None:
    at = np.arange(RATE_HZ) / RATE_HZ
    sound = np.sin(2 * np.pi * 1_000 * at).astype(np.float32)
    mel = mel_power(sound)
    # The last frame ends with the last sample that there is.
    assert len(mel) == (RATE_HZ - 400) // 160 + 1
    # 1 kHz is the 15th of 45.2 steps of Slaney's scale, of which there are 41 between 42 corners.
    assert mel.mean(axis=0).argmax() == round(15 / (15 + 27 * np.log(8) / np.log(6.4)) * 41) - 1
    assert mel_power(sound[:100]).shape == (0, 40)


@pytest.mark.full
def test_gate_knows_a_voice_from_one_that_is_higher() -> None:
    pytest.importorskip("moonshine_voice")
    silero = Silero()
    gate = Gate(silero)
    with loaded(seed=0) as shared:
        enrolment, said = (
            shared.models.speaker.say(text).samples
            for text in (
                "The harbour was quiet that morning, and the boats lay still at their ropes.",
                "Nobody in the village had ever asked the two of them why they did it.",
            )
        )
    known = gate.enrol(enrolment)
    assert np.linalg.norm(known) == pytest.approx(1, abs=1e-5)
    quiet = np.zeros(RATE_HZ, np.float32)
    higher = resampled(said, RATE_HZ, round(RATE_HZ / 1.35))
    likeness = [
        gate.likeness(sound, silero.probabilities(sound), known)
        for sound in (np.concatenate([quiet, each, quiet]) for each in (said, higher))
    ]
    same, other = likeness
    assert same.max() > LIKE > other.max()
    # It is asked neither before anybody speaks nor after.
    assert (same[: round(1 / gate.frame_s)] == -1).all()
    assert same[-1] == -1
