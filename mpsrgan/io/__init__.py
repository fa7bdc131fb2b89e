"""Input and output without Keras: images, atomic writes, provenance, downloads, the console, and the machine."""
