"""Optuna inside a variant, and a sweep shown as studies of Optuna.

Begin with `study`; the record of the trials, which counts, is `pvt_exp.store.trial_record`.
"""
