"""A simulated swarm in which the hub's own belief, scheduling, dedup and verification run."""
