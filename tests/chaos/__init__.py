"""Attacks on what cdrhook promises, with real processes: `make chaos`.

Each fault is a file or a row in `faults`, each run a stack of its own under load, and one
checker judges them all.
"""
