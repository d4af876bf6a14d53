"""The metrics of dense prediction."""
