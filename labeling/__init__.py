"""The people's half: prompts, tasks, labels and their quality. It knows training only through `exchange`."""
