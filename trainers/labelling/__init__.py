"""People compare episodes: what they are shown, what becomes of their choices, and how far these can be trusted."""
