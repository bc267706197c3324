"""Runs over all scenarios: the table, the census, the contention matrix."""
