"""A language model behind an OpenAI-compatible endpoint (extra ``llm``), for planners and devices.

`chat` is what is said to one and by it, `endpoint` speaks to it, `reply` reads its answers, and
`spending` counts what they cost. It knows nothing of plans or skills: the hub's planner and the
agents build on it alike.
"""

from .chat import (
    Answer,
    ChatMessage,
    ChatModel,
    ModelUnavailable,
    as_data,
    compact_json,
    to_mend,
)
from .endpoint import OpenAIModel, open_model
from .reply import UnreadableError, read
from .spending import Account, Left, OverBudget, Prices

__all__ = [
    "Account",
    "Answer",
    "ChatMessage",
    "ChatModel",
    "Left",
    "ModelUnavailable",
    "OpenAIModel",
    "OverBudget",
    "Prices",
    "UnreadableError",
    "as_data",
    "compact_json",
    "open_model",
    "read",
    "to_mend",
]
