"""A task in plain words: a model does it step by step with the device's own skills (extra ``llm``).

`machine` decides what comes next and is pure; `events` is what it hears and says, `prompts` what
the model is told, `shell` does what the machine says, and `trajectory` writes all of it down so
that it can be replayed without a model.
"""
