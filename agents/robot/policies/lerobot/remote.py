"""A policy behind LeRobot's own policy server, or behind ours that speaks as it does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np

from constellation.errors import PolicyUnavailable, ProtocolError

from ...ports import Array, Observation, PolicySpec
from . import transport
from .messages import IMAGES, STATE, Seen, Wanted, chunk_of, seen_bytes, wanted_bytes
from .pickles import PickleLimits

# The server loads the policy when it is named.
_LOADING_S = 120.0


class LeRobotRemote:
    """Asks a policy server of LeRobot, one question at a time, and begins anew if it has to.

    Images are those observed values that are (height, width, 3) uint8, by their names without
    ``observation.images.``.

    Args:
        address: host and port.
        spec: what the policy is like; the server does not say it.
        kind: such as ``act``.
        path: of the policy's folder on the server, or its name on a hub of models.
        device: on which the server shall run it.
        joints: names of the entries of the state; None to number them.
        timeout_s: after which an answer is not awaited any longer.
        limits: of messages.
    """

    def __init__(
        self,
        address: str,
        spec: PolicySpec,
        *,
        kind: str,
        path: str,
        device: str = "cpu",
        joints: Sequence[str] | None = None,
        timeout_s: float = 5.0,
        limits: PickleLimits | None = None,
    ) -> None:
        self.spec = spec
        self._address = address
        self._kind, self._path, self._device = kind, path, device
        self._joints = joints
        self._timeout_s = timeout_s
        self._limits = limits or PickleLimits()
        self._asked = 0
        self._greeted = False
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", self._limits.message_bytes),
            # The server tells robots apart by their connections.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._channel = grpc.insecure_channel(address, options)
        self._observe = self._channel.stream_unary(
            _path("SendObservations"), _serialised, transport.Empty.FromString
        )
        self._act = self._channel.unary_unary(
            _path("GetActions"), _serialised, transport.Actions.FromString
        )
        self._want = self._channel.unary_unary(
            _path("SendPolicyInstructions"), _serialised, transport.Empty.FromString
        )
        self._ready = self._channel.unary_unary(
            _path("Ready"), _serialised, transport.Empty.FromString
        )

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions, (H, A).

        Raises:
            PolicyUnavailable: there is no answer, or none that can be understood.
        """
        seen = self._seen(observation, state)
        try:
            if not self._greeted:
                self._greet(seen)
            self._observe(transport.parts(seen_bytes(seen)), timeout=self._timeout_s)
            return self._answer(seen.step)
        except grpc.RpcError as error:
            # A server that was started again knows neither robot nor policy.
            self._greeted = False
            raise PolicyUnavailable(
                f"No answer from {self._address}: {error.details()}.",
                remedy="Start LeRobot's policy server, or correct its address.",
            ) from error
        except ProtocolError as error:
            raise PolicyUnavailable(f"No answer from {self._address}: {error}") from error

    def close(self) -> None:
        """Ends the connection for good."""
        self._channel.close()

    def _seen(self, observation: Observation, state: Array) -> Seen:
        self._asked += 1
        names = self._joints or [f"joint_{index}" for index in range(len(state))]
        images = {
            name.removeprefix(IMAGES): value
            for name, value in observation.values.items()
            if value.dtype == np.uint8 and value.ndim == 3
        }
        numbers = dict(zip(names, map(float, state), strict=True))
        # The server leaves out what it finds too similar, unless it must go.
        return Seen(time.time(), self._asked, numbers, images, observation.prompt, must_go=True)

    def _greet(self, seen: Seen) -> None:
        names = ["height", "width", "channels"]
        features: dict[str, dict[str, Any]] = {
            STATE: {
                "dtype": "float32",
                "shape": (len(seen.numbers),),
                "names": list(seen.numbers),
            }
        }
        for name, image in seen.arrays.items():
            features[IMAGES + name] = {"dtype": "image", "shape": image.shape, "names": names}
        wanted = Wanted(self._kind, self._path, features, self.spec.horizon, self._device)
        self._ready(transport.Empty(), timeout=self._timeout_s)
        setup = transport.PolicySetup(data=wanted_bytes(wanted))
        self._want(setup, timeout=_LOADING_S)
        self._greeted = True

    def _answer(self, step: int) -> Array:
        """The answer to a question. Those to earlier ones, and empty ones, are passed over."""
        until = time.monotonic() + self._timeout_s
        while (left := until - time.monotonic()) > 0:
            answer = self._act(transport.Empty(), timeout=left)
            if not answer.data:
                continue
            chunk = chunk_of(answer.data, self._limits)
            if chunk.step == step:
                return chunk.actions
        raise PolicyUnavailable(
            f"No actions from {self._address} in {self._timeout_s:g} s.",
            remedy="Its log says why.",
        )


def _path(method: str) -> str:
    return f"/{transport.SERVICE}/{method}"


def _serialised(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
