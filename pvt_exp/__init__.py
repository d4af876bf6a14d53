"""pvt_exp: ablation studies of Pyramid Vision Transformers, from a sweep file to a paper's table."""

__version__ = "0.1.0"
