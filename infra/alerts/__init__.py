"""Trouble reaches a person: grouped by cause, told once to the owner, and told when it is over."""
