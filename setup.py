"""The packages alone; all else is in setup.cfg, whose `find:` cannot add those that lie elsewhere."""

from setuptools import find_packages, setup

ELSEWHERE = {"mpsrgan.shipped": "weights", "mpsrgan.experiments": "experiments"}

setup(packages=[*find_packages(include=["mpsrgan*", "data_prep*"]), *ELSEWHERE], package_dir=ELSEWHERE)
