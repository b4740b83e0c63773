"""Ingest: the venue's websocket in, the partitioned market log out.

``core`` is pure and holds the ten rules of the log (DESIGN 1); ``shell`` owns socket, Kafka and clock.
"""
