"""The command line: parse, call, print, and nothing else."""

from sim.cli.app import main

__all__ = ["main"]
