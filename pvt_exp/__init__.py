"""pvt_exp: ablation studies of Pyramid Vision Transformers, from a sweep file to a paper's table."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["results"]


def __getattr__(name: str) -> Any:
    if name == "results":  # when it is asked for: the commands that look import little
        from pvt_exp.report.frame import results

        return results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
