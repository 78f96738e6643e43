"""A policy of LeRobot's in this process: a folder with ``config.json`` and ``model.safetensors``.

LeRobot itself loads it and makes its pre- and post-processing; weights are safetensors, and nothing
is fetched from a hub of models. What the folder says of the policy is read without LeRobot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from constellation.errors import ConfigError, PolicyUnavailable

from ...ports import Array, Observation, PolicySpec, Semantics
from ..questions import Question
from .messages import IMAGES, STATE, TASK

_CONFIG = "config.json"
_ACTION = "action"
_VISUAL = "VISUAL"


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder says of its policy.

    Attributes:
        path: of the folder.
        kind: such as ``act``.
        horizon: actions in a chunk.
        action_dim: numbers in an action.
        images: what it sees: (channels, height, width), by name.
        numbers: what else it is shown, the state among it: how many numbers, by name.
    """

    path: Path
    kind: str
    horizon: int
    action_dim: int
    images: Mapping[str, tuple[int, int, int]]
    numbers: Mapping[str, int]


def folder_at(path: Path) -> Folder:
    """Reads what a folder says of its policy.

    Raises:
        ConfigError: it is no such folder, or a policy that does not answer with chunks of actions
            to what is observed now.
    """
    try:
        config = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
        if config.get("n_obs_steps", 1) != 1:
            raise ValueError("it looks back at several observations")
        shown = config["input_features"].items()
        shapes = {name: tuple(map(int, each["shape"])) for name, each in shown}
        seen = {name for name, each in shown if each["type"] == _VISUAL}
        (action_dim,) = config["output_features"][_ACTION]["shape"]
        return Folder(
            path=path,
            kind=str(config["type"]),
            horizon=int(config["chunk_size"]),
            action_dim=int(action_dim),
            images={name: _image(shapes[name]) for name in shapes if name in seen},
            numbers={name: shapes[name][0] for name in shapes if name not in seen},
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"it does not say {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"{path} is no policy of LeRobot's that can be driven by: {why}.",
            remedy="Name a folder with config.json and model.safetensors.",
            file=str(path),
        ) from error


def _image(shape: tuple[int, ...]) -> tuple[int, int, int]:
    channels, height, width = shape
    return channels, height, width


class LeRobotPolicy:
    """Answers several robots at once, on one device.

    Args:
        path: of the policy's folder.
        rate_hz: how many of its actions make a second; that is a matter of the recordings from
            which it was trained, and the folder does not tell.
        semantics: of its actions, likewise.
        device: of PyTorch, such as ``cuda``; None for what the folder says, if it is there.
        takes_future_state: it was trained to act from the state it is given, though that is later
            than what it sees.

    Raises:
        ConfigError: there is no such policy, or LeRobot is missing.
    """

    def __init__(
        self,
        path: Path,
        rate_hz: float,
        *,
        semantics: Semantics = Semantics.ABSOLUTE,
        device: str | None = None,
        takes_future_state: bool = False,
    ) -> None:
        self._folder = folder = folder_at(path)
        self.spec = PolicySpec(
            f"{folder.kind}-{path.name}",
            rate_hz,
            folder.horizon,
            folder.action_dim,
            semantics,
            takes_future_state=takes_future_state,
        )
        try:
            import torch
            from lerobot.policies.factory import get_policy_class, make_pre_post_processors
        except ImportError as error:
            raise ConfigError(
                f"Policies of LeRobot's need the extra 'lerobot': {error}.",
                remedy="Install it: pip install 'constellation-fabric[lerobot]'.",
            ) from None
        try:
            kind = get_policy_class(folder.kind)
            policy = kind.from_pretrained(str(path), local_files_only=True)
            self._device = torch.device(device or policy.config.device or "cpu")
            self._policy = policy.to(self._device).eval()
            here = {"device_processor": {"device": str(self._device)}}
            self._before, self._after = make_pre_post_processors(
                policy.config,
                pretrained_path=str(path),
                preprocessor_overrides=here,
                postprocessor_overrides={"device_processor": {"device": "cpu"}},
            )
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            raise ConfigError(
                f"The policy of {path} cannot be loaded: {error}.", file=str(path)
            ) from error

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions, (H, A).

        Raises:
            PolicyUnavailable: the robot does not observe what the policy is shown.
        """
        actions: Array = self.infer_batch([Question(observation, state, delay, prefix)])[0]
        return actions

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A).

        Raises:
            PolicyUnavailable: a robot does not observe what the policy is shown.
        """
        import torch

        shown: dict[str, Any] = {TASK: [each.observation.prompt for each in questions]}
        for name, size in self._folder.numbers.items():
            rows = [_numbers(each, name, size) for each in questions]
            shown[name] = torch.from_numpy(np.stack(rows))
        for name, (_, *height_width) in self._folder.images.items():
            images = [_picture(each, name) for each in questions]
            shown[name] = torch.cat([_resized(torch, each, height_width) for each in images])
        with torch.inference_mode():
            chunks = self._policy.predict_action_chunk(self._before(shown))
            count, horizon, joints = chunks.shape
            flat = self._after(chunks.reshape(count * horizon, joints))
        actions: Array = flat.reshape(count, horizon, -1).float().numpy()
        return actions


def _numbers(question: Question, name: str, size: int) -> Array:
    numbers = question.state if name == STATE else question.observation.values.get(name)
    if numbers is None or numbers.shape != (size,):
        raise PolicyUnavailable(f"The policy is shown {size} numbers as {name!r}.")
    return numbers.astype(np.float32)


def _picture(question: Question, name: str) -> Array:
    """An image as it was observed, (height, width, 3) uint8, by its whole name or its last part."""
    values = question.observation.values
    image = values.get(name, values.get(name.removeprefix(IMAGES)))
    if image is None or image.ndim != 3 or image.dtype != np.uint8:
        raise PolicyUnavailable(f"The policy is shown an image as {name!r}.")
    return image


def _resized(torch: Any, image: Array, size: Sequence[int]) -> Any:
    """An image as LeRobot's server shows it: (1, 3, height, width), from 0 to 1."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    scaled = torch.nn.functional.interpolate(
        pixels, size=list(size), mode="bilinear", align_corners=False
    )
    return scaled.float() / 255
