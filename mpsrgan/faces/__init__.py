"""Faces: where they are in a photograph, and what encoders make of them.

Importing this package imports neither Keras nor OpenCV.
"""
