"""Pipecat's and LiveKit's own packages, in an environment of theirs, hearing the same sound as we.

``make .venv/.peers-voice`` installs them. `pipecat_turns` and `livekit_turns` are programs for that
environment, which read sound and write down when turns begin and end; `programs` runs them.
"""

from .programs import PYTHON, Heard, Peer, installed

__all__ = ["PYTHON", "Heard", "Peer", "installed"]
