"""Servers that run on one loop in a process of their own, and are driven from outside.

Each is started as `python -m benches.servers.NAME LOOP PROTOCOL MODE DIRECTORY`, says in a line of JSON where it
listens, or why it can't, and serves until it is killed.
"""
