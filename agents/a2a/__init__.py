"""Agents of others that speak A2A, as skills of a device (extra ``a2a``, the SDK's own client).

`source` follows an agent's card, and `tasks` has the agent do one task.
"""
