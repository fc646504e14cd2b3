"""What is timed: each module has `WORKS`, a tuple of objects with a name, a title and `measure`."""
