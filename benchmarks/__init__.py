"""How fast, and how near to what the machine can do: `python -m benchmarks`. Never run by the tests."""
