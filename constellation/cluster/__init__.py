"""Hubs as a cluster on NATS JetStream: gateways hold sessions, orchestrators own constellations.

``docs/howto/cluster.md`` describes it. One hub process with a SQLite journal stays the default and
imports nothing of this package.
"""
