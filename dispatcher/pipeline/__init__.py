"""The only place that knows the order of steps, opens transactions and takes `now`.

No HTTP request is made inside a transaction, and nothing is published from here:
each step returns which webhooks have work, and its caller wakes them up afterwards.
"""
