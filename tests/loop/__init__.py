"""What the loop promises, a module a file."""
