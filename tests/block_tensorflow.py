"""A pytest plugin (-p block_tensorflow) that makes TensorFlow as absent as where it is not installed."""

import importlib.abc
import sys

BLOCKED = ("tensorflow", "tf_keras", "tensorboard")


class _Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the tests)", name=name)
        return None


sys.meta_path.insert(0, _Absent())
