"""Measures cdrhook beside what else one could use: `make bench`."""
