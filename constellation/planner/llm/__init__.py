"""Planning with any model behind an OpenAI-compatible endpoint (extra ``llm``).

`proposal` is what the model writes, `prompts` what it is told, `compiling` checks its answer, and
`planner` goes round until it is right. `constellation.llm` speaks to the endpoint.
"""

from .planner import Budget, LlmPlanner

__all__ = ["Budget", "LlmPlanner"]
