"""A plan past one machine: what upscaling and training cost on many devices, from what was measured on one.

    python -m benchmarks.scaling

It prints the tables of docs/scaling.md. Nothing here is measured: the constants are, or say that they are assumed.
"""

from dataclasses import dataclass

FACES = {"FFHQ": 70_000, "CelebA": 202_599, "100 M images": 100_000_000}
"""Images in the data sets, from their papers."""
DEVICES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Upscaling:
    """Upscaling of 64x64 inputs by 4, on workers that share nothing but a store.

    Attributes:
        rate: Images a second of a worker.
        price: Dollars an hour of a worker.
        in_bytes: Bytes of an input.
        out_bytes: Bytes of a result.
        requests: Requests to the store for an image: list, get, look whether the result exists, put.
        store_bytes: Bytes a second that the store gives to and takes from all workers together.
        store_requests: Requests a second that the store takes.
        driver: Rows a second through Ray and the process that keeps the account. Measured with 2 workers without work.
    """

    rate: float
    price: float
    in_bytes: int = 10_000
    out_bytes: int = 110_000
    requests: int = 3
    store_bytes: float = 10e9 / 8
    store_requests: float = 3500
    driver: float = 1370

    def limits(self, workers):
        """Return {what: images a second} that each part allows with so many workers."""
        return {
            "workers": workers * self.rate,
            "store, bytes": self.store_bytes / (self.in_bytes + self.out_bytes),
            "store, requests": self.store_requests / self.requests,
            "driver": self.driver,
        }

    def plan(self, images, workers):
        """Return the hours, the dollars, and what limits the speed."""
        limits = self.limits(workers)
        slowest = min(limits, key=limits.get)
        hours = images / limits[slowest] / 3600
        return hours, hours * workers * self.price, slowest


@dataclass(frozen=True)
class Training:
    """Data-parallel training with the same batch on every device, and a ring all-reduce after the backward pass.

    Attributes:
        seconds: Seconds of a step on one device.
        batch: Images of a step on one device.
        gradient_bytes: Bytes of the gradients of generator and discriminator in float32.
        bandwidth: Bytes a second between two devices.
        latency: Seconds of one message.
        loader: Images a second that the loader of a host gives to its devices.
        hosted: Devices of a host.
    """

    seconds: float
    batch: int = 4
    gradient_bytes: float = 26.2e6
    bandwidth: float = 10e9 / 8
    latency: float = 50e-6
    loader: float = 6274
    hosted: int = 8

    def efficiency(self, devices):
        """Return the images a second over those of as many single devices, and what limits them."""
        ring = 2 * (devices - 1)
        reduce = ring / devices * self.gradient_bytes / self.bandwidth + ring * self.latency
        load = self.batch * min(devices, self.hosted) / self.loader
        step = max(self.seconds + reduce, load)
        single = max(self.seconds, self.batch / self.loader)
        return single / step, "loader" if load > self.seconds + reduce else "all-reduce" if reduce > 0.1 * step else ""


CORES = Upscaling(rate=20, price=0.05)
"""One core with mpsrgan-lite. Measured: 1000 faces in 25 s on 2 cores in files. Assumed: the price."""
TRAINED = {
    "2 CPU cores, 10 Gbit/s (measured step)": Training(seconds=3.38),
    "device 100 times as fast, 10 Gbit/s": Training(seconds=0.0338),
    "device 100 times as fast, 100 GB/s": Training(seconds=0.0338, bandwidth=100e9, latency=5e-6),
    "the same, PNGs in place of packed pairs": Training(seconds=0.0338, bandwidth=100e9, latency=5e-6, loader=812),
    "device 1000 times as fast, 100 GB/s": Training(seconds=0.00338, bandwidth=100e9, latency=5e-6),
}
"""Paper 000, 64 -> 256 pixels. Measured on 2 cores: the step in bfloat16, and the loader with packed pairs (as by
default here) and with PNGs. The rest is assumed."""


def main():
    """Print the tables as Markdown."""
    print("| images | cores | hours | dollars | limited by |\n|---|---|---|---|---|")
    for name, images in FACES.items():
        for workers in (2, 64, 1024):
            hours, dollars, slowest = CORES.plan(images, workers)
            print(f"| {name} | {workers} | {hours:,.2f} | {dollars:,.2f} | {slowest} |")
    print("\n| devices | " + " | ".join(map(str, DEVICES)) + " |\n" + "|---" * (len(DEVICES) + 1) + "|")
    for name, training in TRAINED.items():
        cells = (training.efficiency(devices) for devices in DEVICES)
        print(f"| {name} | " + " | ".join(f"{share:.0%} {why}".strip() for share, why in cells) + " |")


if __name__ == "__main__":
    main()
