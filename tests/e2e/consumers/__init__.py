"""Consumers for the end-to-end tests, right and wrong."""
