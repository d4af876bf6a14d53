"""One sweep, driven: what is to be trained is launched, watched, tried again and shown.

Begin with `session` (one call of the command), then `checks` (before anything is launched) and `driver` (the loop over the
runs).
"""
