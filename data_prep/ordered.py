"""Work done ahead in threads and delivered in order, for reading photographs and for loading batches."""

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor


def ordered_map(function, items, workers, ahead):
    """Yield the results of a function in the order of its items, computed ahead in threads.

    An exception in ``function`` is raised in the consumer, at its place in the order. Closing the generator stops the
    threads.

    Args:
        function: Function of one item.
        items: The items, which may be endless.
        workers: Number of threads.
        ahead: Largest number of results that are computed beyond the one being delivered, which limits the memory.

    Yields:
        ``function(item)`` for each item.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mpsrgan")
    try:
        waiting = deque(pool.submit(function, item) for item in itertools.islice(items, ahead + 1))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in itertools.islice(items, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
