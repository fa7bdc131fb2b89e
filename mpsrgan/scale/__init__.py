"""Millions of files: workers on a cluster, files in object stores, and the account of what became of each."""
