"""Registration of our layers with Keras as soon as Keras is imported.

`keras.saving.load_model` opens only layers that are registered. `import mpsrgan` arranges that, and does not
import Keras.
"""

import importlib
import sys

LAYERS = "mpsrgan.models.layers"


def register_layers():
    """Register the layers now if Keras is imported already, otherwise at the end of its import."""
    if "keras" in sys.modules:
        importlib.import_module(LAYERS)
    elif not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras:
    """A finder that takes Keras from the other finders, and imports the layers once Keras has been executed."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                importlib.import_module(LAYERS)

            spec.loader.exec_module = execute_and_register
        return spec
