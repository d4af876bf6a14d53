"""``python -m pvt_exp`` is the command ``pvt-exp``.

Python itself adds the current folder to what ``python -m`` imports from: that is how a checkout that is not installed is
used, and it holds for the package alone. Other things that lie there, a ``yaml.py``, are left alone, as by ``pvt-exp``.
"""

import os
import sys

if not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):  # noqa: PTH109 - as Python writes it
    del sys.path[0]

from pvt_exp.cli import main

if __name__ == "__main__":
    main()
