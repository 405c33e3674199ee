"""What stands inside a consumer's own Python: a hook that tells the test when one of its functions has returned."""
