"""Benchmarks: how fast the package is, and how close to what the machine can do. Run them with `python -m benchmarks`.

The tests never run them.
"""
