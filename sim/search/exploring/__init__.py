"""Exploring: all states, checkpoints, livelock and starvation."""
