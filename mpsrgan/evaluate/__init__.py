"""Evaluation of super-resolved faces: how good they are, and whether they still show the same person.

It measures networks, and images that any other program made. Importing this package imports neither Keras nor OpenCV.
"""
