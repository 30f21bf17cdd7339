"""The faults, each a function that does it and a row that names it."""
