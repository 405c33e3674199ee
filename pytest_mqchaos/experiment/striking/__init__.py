"""What a strike is made of: its moment, whom it aims at, what it leaves behind, and each family of faults."""
