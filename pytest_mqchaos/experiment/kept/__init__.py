"""What a run leaves for a reader: its outputs, and the directories of those that failed."""
