"""What the source's tables have become against the project's models, and files that follow."""
