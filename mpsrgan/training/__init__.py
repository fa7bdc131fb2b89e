"""The train_on_batch loop, its callbacks and its checkpoints."""
