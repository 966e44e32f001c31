"""A page on which a person plays a task: acts on a picture of it, and sees its milestones light up."""
