"""Tests of the HubSpot that the sandbox plays."""
