"""The benchmarks: `make bench`, or `python -m benches.run --help` from the root of the repository."""
