"""What a file holds: its facts, whether it is whole, and the names of what it may be. Asked by all who handle files."""
