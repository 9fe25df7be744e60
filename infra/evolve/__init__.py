"""What the source's tables have become, against what the project models of them, and the files that follow it."""
