"""Run as a module with the name of another one: says which slow libraries that one imports."""

import importlib
import sys

from pvt_exp.config.component import HEAVY

if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    print(*(name for name in HEAVY if name in sys.modules))
