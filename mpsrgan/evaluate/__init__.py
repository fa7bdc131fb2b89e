"""How good is a super-resolved face, and is it still the same person? Networks and anybody's results, measured.

Importing this package imports neither Keras nor OpenCV.
"""
