"""Speaks to PBXs that are asked for their calls: Asterisk's AMI, and tables of databases.

Knows no Django; what it needs of cdrhook comes in as arguments. The hosts are named by
operators: they do not pass the door that webhooks' requests do (sending.client).
"""
