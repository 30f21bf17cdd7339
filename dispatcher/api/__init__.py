"""The HTTP interface: parses, authorises, calls one pipeline step, answers.

Opens no transactions and decides nothing about calls.
"""
