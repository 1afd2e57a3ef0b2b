"""Tests of the services that the sandbox plays."""
