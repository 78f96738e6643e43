"""Planning with any model behind an OpenAI-compatible endpoint (extra ``llm``).

`proposal` is what the model writes, `prompts` what it is told, `reply` and `compiling` read and
check its answer, `model` speaks to the endpoint, and `planner` goes round until it is right.
"""

from .model import ModelUnavailable, OpenAIModel
from .planner import Budget, LlmPlanner

__all__ = ["Budget", "LlmPlanner", "ModelUnavailable", "OpenAIModel"]
