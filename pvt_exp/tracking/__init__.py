"""Weights & Biases: logging of runs and sweeps, which never delays or fails a run.

Begin with `logger` (a run while it trains) and `sync` (what was offline).
"""
