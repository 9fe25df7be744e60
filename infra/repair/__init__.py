"""What is done when changes were missed, refused or cut off, and when a primary is lost."""
