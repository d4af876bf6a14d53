"""What W&B is told, and how it cannot hold up a run.

Begin with `logger` (a run while it trains) and `sync` (what was offline).
"""
