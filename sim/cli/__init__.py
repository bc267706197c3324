"""The command line: parse, call, print, and nothing else."""

from sim.cli.app import command, main

__all__ = ["command", "main"]
