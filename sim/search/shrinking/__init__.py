"""Shrinking: replaying a list of choices, and making it smaller."""
