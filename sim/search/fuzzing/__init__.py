"""Fuzzing: batches of seeds, and the strategies that choose who steps next."""
