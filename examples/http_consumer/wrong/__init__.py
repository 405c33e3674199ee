"""The worker with one bug each."""
