"""Starts cdrhook's processes, keeps them running, and ends them with itself."""
