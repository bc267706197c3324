"""Exact answers about an exploration: how many, how likely, how few preemptions,
from where on inevitable.
"""
