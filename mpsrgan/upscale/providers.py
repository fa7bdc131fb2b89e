"""The execution providers of onnxruntime, by short names: what computes, such as CUDA or the CPU."""

from mpsrgan.errors import UserError

CPU = "cpu"
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    CPU: "CPUExecutionProvider",
}
"""Short name -> name in onnxruntime. The package onnxruntime has coreml on macOS; the others are in other packages."""
DEFAULT = ("cuda", CPU)
"""What is taken unless providers are named, as far as it is available."""
PACKAGES = "onnxruntime-gpu has cuda and tensorrt, onnxruntime-directml dml, onnxruntime-openvino openvino"


def available(onnxruntime):
    """List the providers that the installed onnxruntime was built with.

    Args:
        onnxruntime: The module.

    Returns:
        A list of keys of `PROVIDERS`.
    """
    found = onnxruntime.get_available_providers()
    return [name for name, long in PROVIDERS.items() if long in found]


def chosen(onnxruntime, names):
    """Return what a session has to be opened with.

    Args:
        onnxruntime: The module.
        names: Keys of `PROVIDERS`, the preferred one first, or None for `DEFAULT`.

    Returns:
        A list of keys of `PROVIDERS`. The last one is the CPU, which computes what the others cannot.

    Raises:
        UserError: When a name is unknown, or the installed onnxruntime lacks the provider. The message lists those that
            it has.
    """
    here = available(onnxruntime)
    if names is None:
        return [name for name in DEFAULT if name in here]
    listed = f"available here: {', '.join(here)}"
    for name in names:
        if name not in PROVIDERS:
            raise UserError(f"unknown provider {name!r}: use some of {', '.join(PROVIDERS)} ({listed})")
        if name not in here:
            raise UserError(f"the installed onnxruntime lacks the provider {name}; {listed} ({PACKAGES})")
    return list(dict.fromkeys([*names, CPU]))


def started(session, names, asked):
    """Return the providers that a session has, because onnxruntime leaves out those that it cannot start.

    Args:
        session: The `onnxruntime.InferenceSession`.
        names: What `chosen` returned.
        asked: Whether the user named them.

    Returns:
        Keys of `PROVIDERS`, in the order of `names`.

    Raises:
        UserError: When one that the user named did not start.
    """
    running = session.get_providers()
    left = [name for name in names if PROVIDERS[name] in running]
    if asked and left != names:
        missing = ", ".join(name for name in names if name not in left)
        raise UserError(f"onnxruntime could not start {missing}; check its drivers and libraries, or leave it out")
    return left
