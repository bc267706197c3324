"""Strategies: whose turn it is, for thousands of runs at once. One file each."""
