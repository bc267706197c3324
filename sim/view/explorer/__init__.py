"""The step explorer: a run that can be gone along both ways,
and left for another one at any step.
"""
