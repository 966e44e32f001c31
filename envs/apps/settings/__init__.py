"""settings: sections of switches, each with a choice, saved by section."""
