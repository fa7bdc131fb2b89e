"""GAN training: the model and its losses, the train_on_batch loop, its callbacks, and its checkpoints."""
