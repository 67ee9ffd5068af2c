"""The main job as a client sees it: people's data in, a PPO policy's answers back to the people, over HTTP alone."""
