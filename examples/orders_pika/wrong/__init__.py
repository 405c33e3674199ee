"""Workers with one bug each: what to look for in code that passes every ordinary test."""
