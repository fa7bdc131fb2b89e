"""Work done ahead in threads and handed over in order: for reading photographs and for loading batches."""

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor


def ordered_map(function, items, workers, ahead):
    """Generator of ``function(item)`` in the order of ``items``, which may be endless.

    ``workers`` threads compute at most ``ahead`` results beyond the one being handed over, so memory stays bounded.
    An exception of ``function`` is raised in the consumer, in its place. Closing the generator stops the threads.
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
