"""What can be found out about a task without playing it; see `static.py`, and agents/task_check.py for the playing."""
