"""A local venue that speaks Deribit's JSON-RPC, fed by a seeded synthetic market or by a recording.

It shares nothing with the engine: its prices, greeks and truth come from its own arithmetic, so that an error of the
pipeline cannot hide in both.
"""
