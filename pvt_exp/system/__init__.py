"""Files, locks, signals and processes of one machine. Knows nothing of runs.

Begin with `files`: every record is written whole, or not at all.
"""
