"""The networks, one file a family, each readable from top to bottom as its paper's figure."""
