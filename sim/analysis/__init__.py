"""What one run shows, without any drawing: who noticed what, repeats, locks held."""
