"""The hub: a tree of experiments, a message board, leases and belief."""
