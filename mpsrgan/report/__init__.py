"""Reports: documents made of blocks, figures of images and curves, and results beside the paper's."""
