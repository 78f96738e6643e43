"""How long a batch of questions takes a model in π0.5's shape: `python -m bench.robot vla-shape`.

On a GPU in bf16, each batch as one CUDA graph, as a server would run it; on a CPU eagerly, which is
only good for seeing that it works.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from constellation.errors import ConfigError

from .vla_model import Model, Shape

WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Timed:
    """One case.

    Attributes:
        cameras, robots: how many of each robot, and how many robots in the batch.
        p50_ms, p95_ms: of a batch.
        per_second: answers.
    """

    cameras: int
    robots: int
    p50_ms: float
    p95_ms: float
    per_second: float


def device_here() -> tuple[str, str]:
    """The device to measure on, and its name.

    Raises:
        ConfigError: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            f"This needs PyTorch: {error}.", remedy="Install it: pip install torch."
        ) from None
    if torch.cuda.is_available():
        return "cuda", str(torch.cuda.get_device_name())
    return "cpu", f"CPU, {torch.get_num_threads()} threads"


def measure(
    shape: Shape, cameras: Sequence[int], robots: Sequence[int], repetitions: int
) -> Iterator[Timed]:
    """Times each case; cases come as they are done.

    Raises:
        ConfigError: PyTorch is not installed.
    """
    device, _ = device_here()
    import torch

    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.inference_mode():
        model = Model(shape, device, dtype)
        for seeing in cameras:
            for batch in robots:
                run = _ready(torch, device, model, batch, seeing)
                took = sorted(run() for _ in range(repetitions))
                p50 = statistics.median(took)
                p95 = took[min(len(took) - 1, int(0.95 * len(took)))]
                yield Timed(seeing, batch, 1e3 * p50, 1e3 * p95, batch / p50)


def _ready(torch: Any, device: str, model: Model, robots: int, cameras: int) -> Callable[[], float]:
    """A batch that has been warmed up; each call runs it and says how many seconds it took."""
    inputs = model.inputs(robots, cameras)

    def eager() -> float:
        began = time.perf_counter()
        model.sample(*inputs)
        return time.perf_counter() - began

    if device == "cpu":
        eager()
        return eager
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            model.sample(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model.sample(*inputs)

    def replayed() -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    replayed()
    return replayed
