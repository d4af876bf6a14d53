"""One sweep, driven: what is to be trained is launched, watched, tried again and shown.

Begin with `session` (one call of the command), then `driver` (the loop over its runs).
"""
