"""Files of weights: read without running code, matched to a network, checked."""
