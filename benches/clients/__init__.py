"""Programs that run on one loop in a process of their own, and time what they do.

Each is started as `python -m benches.clients.NAME LOOP SECONDS AT_ONCE …`, and prints a sample in a line of JSON.
"""
