"""A voice agent that listens while it speaks, and knows whose voice may interrupt it.

The conversation is held by pure machines: `turns` says who has the floor, `endpointing` when a
turn is over, `bargein` whether a voice over the agent's own means something, `answers` and `ledger`
what of an answer is under way and what of it was heard. What they say is done by the shells.
"""
