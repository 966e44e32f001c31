"""library: help articles and a search."""
