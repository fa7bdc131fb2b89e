"""The packages alone; all else is in setup.cfg, whose `find:` cannot add one that lies elsewhere: the weights."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["mpsrgan*", "data_prep*"]), "mpsrgan.shipped"],
    package_dir={"mpsrgan.shipped": "weights"},
)
