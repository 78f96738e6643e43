"""A robot that acts while it thinks: pure control of action chunks, and what keeps it safe.

The policy is slower than the control loop. So the next chunk of actions is inferred while the last
one runs (`chunks`), for the time at which its answer will be there (`strategies`, `delay`); and
whatever comes of it, an envelope of limits stands between policy and robot (`safety`).
"""
