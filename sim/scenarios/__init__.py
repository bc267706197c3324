"""The questions that can be asked, by name."""
