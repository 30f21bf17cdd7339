"""Makes ONE attempt to hand a delivery to its receiver, and says how it ended.

`policy` says where requests may go, `client` is the only door through which they go,
`send` makes the attempt, `classify` names failures, `signing` signs, `retry` says when
to try again. Knows no database, no queue and no Django; never raises for a receiver.
"""
