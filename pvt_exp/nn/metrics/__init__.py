"""What computes the metrics that a task takes beside its usual ones; `beside` is how a task uses them."""
