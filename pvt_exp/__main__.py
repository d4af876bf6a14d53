"""``python -m pvt_exp`` is the command ``pvt-exp``, which begins here.

Python itself adds the current folder to what ``python -m`` imports from: that is how a checkout that is not installed is
used, and it holds for the package alone. Other things that lie there, a ``yaml.py``, are left alone, as by ``pvt-exp``.
"""

import os
import sys


def main() -> None:
    """The command; Ctrl-C ends it without a traceback while it still imports, too."""
    # pydantic would look for plug-ins of its own in all packages, and stop at one whose metadata are damaged
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        from pvt_exp import cli

        cli.main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):  # noqa: PTH109 - as Python writes it
        del sys.path[0]
    main()
