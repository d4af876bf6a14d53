"""One run in one process, from lock to result; and the children that count, measure, predict and score.

Begin with `worker` (what a process does), then `fit` (the training). Imports torch; the light half starts it as processes.
"""
