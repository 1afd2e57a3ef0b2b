"""The ways to run: `embedded` in one process, `shared` by many."""
