"""Filters: which calls a webhook gets, and which condition kept a call out."""
