"""`python -m sim.cli`."""

from sim.cli import command

command()
