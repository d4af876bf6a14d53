"""Finished runs put to use: which run, which checkpoint, which files.

The work is done by `pvt_exp.train.predict` and `pvt_exp.train.evaluate`, as processes.
"""
