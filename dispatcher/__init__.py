"""Accepts CDRs, decides which webhooks want them, and delivers them."""
