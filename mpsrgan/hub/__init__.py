"""Networks as files: .h5, those that ship, weights between two of them, and whether they still compute the same."""
