"""One run: two executors, the scheduler and its dice, schedules and their replay."""
