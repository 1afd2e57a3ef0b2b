"""What speaks to somebody else's API, and knows nothing of the loop.

A connector author needs `ports`, `errors`, `transport.Wire`, and the suites in `testing`; how to
write one is told in CONTRIBUTING.md.
"""
