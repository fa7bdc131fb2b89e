import pytest


@pytest.fixture(autouse=True)
def quick_and_coarse(request, monkeypatch):
    """Run TensorFlow eagerly, except in tests marked `compiled`, and draw small figures.

    Tracing a network costs more than the few steps of these tests, and so does drawing at full size.
    """
    import keras
    from matplotlib.figure import Figure

    draw = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: draw(self, *args, **{**kwargs, "dpi": 30}))
    if keras.backend.backend() != "tensorflow" or request.node.get_closest_marker("compiled"):
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
