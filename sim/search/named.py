"""Strategies by name: apart from them, since who only asks what there is needs no numpy."""

from __future__ import annotations

STRATEGIES = {
    "walk": "uniform at each step among the tasks that can take it",
    "pct:D": "priorities that change at D - 1 places (ASPLOS 2010)",
    "pos": "a priority for every step, drawn anew where steps race (CAV 2018)",
    "surw": "uniform over the orders in which tasks get at one cell, another one in each run (ASPLOS 2025)",
    "uniform": "every interleaving as likely as any other; where the graph is small enough",
    "fest": "choice tapes that reached new states, mutated; adapts",
    "portfolio": "all of them, and more seeds for those that find something new; adapts",
}
