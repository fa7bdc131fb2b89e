"""What goes in and out: images, whole files, what a file says of itself, the console, the machine. No Keras."""
