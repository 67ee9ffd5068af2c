"""The models' half: runs, checkpoints and the engine. It knows labeling only through `exchange`."""
