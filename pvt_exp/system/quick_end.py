"""A process that imports this first ends at once: libraries remove their temporary files, and are then not taken apart.

That takes seconds for torch and the like, in which what reads the driver's output would wait.
"""

import atexit
import os

atexit.register(os._exit, 0)  # what is registered first is called last, so after wandb's removal of its folders
