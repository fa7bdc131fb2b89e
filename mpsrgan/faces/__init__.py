"""Faces: where they are in a photograph, and the encoders that turn them into vectors.

Importing this package imports neither Keras nor OpenCV.
"""
