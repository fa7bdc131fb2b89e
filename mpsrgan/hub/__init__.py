"""Networks as files: .h5 files, the weights that ship and their probes, and weight interpolation."""
