"""The model in π0.5's shape: its size, and that batches are what single questions would be.

CI has no PyTorch: `.venv/lerobot/bin/python -m pytest` with pytest installed runs these too.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.robot.__main__ import app
from bench.robot.vla_model import PI05, SMALL, Model
from constellation.errors import ConfigError


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def test_it_is_as_large_as_the_real_one_and_its_parts_fit(torch: Any) -> None:
    """On a device without memory: shapes alone are worked out."""
    model = Model(PI05, "meta", torch.bfloat16)
    assert model.parameters == pytest.approx(3.35e9, rel=0.005)
    actions = model.sample(*model.inputs(16, 3))
    assert actions.shape == (16, 50, 32)
    assert actions.dtype == torch.bfloat16


def test_a_batch_answers_as_each_alone(torch: Any) -> None:
    model = Model(SMALL, "cpu", torch.float32)
    pictures, words, noise = model.inputs(3, 2)
    with torch.inference_mode():
        together = model.sample(pictures, words, noise)
        assert together.shape == (3, SMALL.chunk, SMALL.action_dim)
        assert together.isfinite().all()
        for index in range(3):
            one = slice(index, index + 1)
            alone = model.sample(pictures[one], words[one], noise[one])
            torch.testing.assert_close(alone, together[one], rtol=1e-4, atol=1e-5)


def test_everything_shown_counts(torch: Any) -> None:
    model = Model(SMALL, "cpu", torch.float32)
    pictures, words, noise = model.inputs(1, 2)
    with torch.inference_mode():
        plain = model.sample(pictures, words, noise)
        other_picture = pictures.clone()
        other_picture[0, 1, 5] += 1
        other_words = words.clone()
        other_words[0, 3] = (other_words[0, 3] + 1) % SMALL.vocabulary
        for changed in (
            (other_picture, words, noise),
            (pictures, other_words, noise),
            (pictures, words, noise + 0.1),
        ):
            assert (model.sample(*changed) - plain).abs().max() > 1e-5


def test_it_is_timed(torch: Any) -> None:
    line = ["vla-shape", "--shape", "small", "--cameras", "1,2", "--robots", "1,2"]
    done = CliRunner().invoke(app, [*line, "--repetitions", "2"])
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) == 6


def test_without_pytorch_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = CliRunner().invoke(app, ["vla-shape"])
    assert isinstance(done.exception, ConfigError)
