"""What is held of one person (`subject`)."""
