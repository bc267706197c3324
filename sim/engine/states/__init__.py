"""All states: the product of the tasks, explored a breadth-first level at a time."""
