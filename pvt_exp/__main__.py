"""``python -m pvt_exp`` is the command ``pvt-exp``."""

from pvt_exp.cli import main

if __name__ == "__main__":
    main()
