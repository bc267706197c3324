"""Cells, operations, routines and the executors that run them. Knows nothing of KVM."""
