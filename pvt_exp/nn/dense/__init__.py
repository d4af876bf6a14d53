"""Necks and heads of dense prediction: FPN, RetinaNet, Mask R-CNN, Semantic FPN, and what they share."""
