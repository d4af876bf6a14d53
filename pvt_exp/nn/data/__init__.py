"""Readers of the data sets, augmentation, and the loader that gives the same batches with any number of workers."""
