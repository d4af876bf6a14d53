"""Data sets for torch, augmentation, and the loader, whose batches do not depend on the number of workers.

``dataset`` is always the settings (`pvt_exp.datasets.Dataset`). What it opens is called ``samples``: a sequence of
(image, target), such as `coco.samples.Coco`. Begin with `holdout.open_split` and `loader.loaders`.
"""
