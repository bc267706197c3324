"""What can be asked of a scenario: explore it to the end, and show the way to what was found."""
