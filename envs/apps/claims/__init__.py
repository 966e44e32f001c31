"""claims: expense claims to search, decide, correct and hand in step by step, and the people who hand them in."""
