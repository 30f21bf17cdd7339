"""The benchmarks' own logic; nothing is measured here."""
