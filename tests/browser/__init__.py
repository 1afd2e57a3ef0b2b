"""What customers see, in a real browser."""
