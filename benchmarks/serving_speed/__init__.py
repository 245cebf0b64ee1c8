"""How fast models are served: ours, a hand-rolled server, other Python servers, and the limits, in one run."""
