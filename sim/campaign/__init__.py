"""Fuzzing at scale: what is asked, where the answers are kept, and who works on them."""
