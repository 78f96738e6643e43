"""The personalised VAD as PyTorch trains it: whole stretches of sound at a time.

The same arithmetic as the file that the agent runs step by step (`graph.py` writes it). An LSTM
hears a voice and gives its embedding; a comparator sets that beside the voiceprint; a GRU decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from agents.voice.features import MELS
from agents.voice.pvad import COSINE_STEPS
from agents.voice.voiceprint import SIZE

LAYERS = 3
HIDDEN = 128
PRODUCTS, DIFFERENCES, SPECTRA = 48, 32, 48
SCALE = 16.0
LEVEL_DB, LEVEL_SPAN_DB = 40.0, 20.0

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the network says of B stretches of n steps.

    Attributes:
        primary, anyone: (B, n) log-odds.
        cosine: (B, n) likeness to the voiceprint.
    """

    primary: Tensor
    anyone: Tensor
    cosine: Tensor


class Encoder(nn.Module):
    """Hears a voice."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MELS, SIZE, LAYERS, batch_first=True)
        self.linear = nn.Linear(SIZE, SIZE)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, 2n, 40) mel power to (B, n, 256) embeddings of length one."""
        states, _ = self.lstm(mel)
        return functional.normalize(torch.relu(self.linear(states[:, 1::2])), dim=-1)


class Decider(nn.Module):
    """Says whose voice it is."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.products = nn.Linear(SIZE, PRODUCTS)
        self.differences = nn.Linear(SIZE, DIFFERENCES)
        self.spectra = nn.Conv1d(MELS, SPECTRA, 5, stride=2)
        self.dropout = nn.Dropout(dropout)
        width = PRODUCTS + DIFFERENCES + SPECTRA + 3
        self.gru = nn.GRU(width, HIDDEN, 2, batch_first=True, dropout=dropout)
        self.primary = nn.Linear(HIDDEN, 1)
        self.anyone = nn.Linear(HIDDEN, 1)

    def forward(
        self, embedding: Tensor, log_mel: Tensor, level_db: Tensor, voiceprint: Tensor
    ) -> Heard:
        """(B, n, 256), (B, 2n, 40), (B, n) and (B, 256)."""
        known = voiceprint[:, None]
        product = embedding * known
        cosine = product.sum(-1)
        earlier = functional.pad(cosine, (COSINE_STEPS, 0))[:, : cosine.shape[1]]
        level = (level_db + LEVEL_DB) / LEVEL_SPAN_DB
        spectra = self.spectra(functional.pad(log_mel.transpose(1, 2), (3, 0))).transpose(1, 2)
        seen = [
            torch.relu(self.products(SCALE * product)),
            torch.relu(self.differences(SCALE * (embedding - known).abs())),
            torch.relu(spectra),
            torch.stack([cosine, earlier, level], -1),
        ]
        states, _ = self.gru(self.dropout(torch.cat(seen, -1)))
        return Heard(self.primary(states)[..., 0], self.anyone(states)[..., 0], cosine)


class Network(nn.Module):
    """Encoder and decider."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decider = Decider()

    def weights(self) -> Weights:
        """A copy of them by name, as `graph.write` takes them."""
        return {name: each.cpu().numpy().copy() for name, each in self.state_dict().items()}

    def take(self, weights: Weights) -> None:
        """The reverse.

        Raises:
            RuntimeError: one is missing or has another shape.
        """
        self.load_state_dict({name: torch.tensor(each) for name, each in weights.items()})
