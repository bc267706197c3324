"""Thousands of runs at a time, which keep no states."""
