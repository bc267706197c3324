"""What a model is written with: values, cells, operations, routines, scenarios."""
