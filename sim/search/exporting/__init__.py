"""What was learned of a scenario, for other checkers."""
