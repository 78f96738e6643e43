"""Policies for robots: small ones that run here, and the wire to those that run elsewhere.

`local` runs networks that were trained on the simulated worlds; `wire`, `remote` and `server` speak
the protocol of openpi, as a client and as a server for many robots at once (`batching`).
"""
