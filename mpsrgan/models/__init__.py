"""The network architectures, one file per family.

Each file can be read from top to bottom like the figure in its paper.
"""
