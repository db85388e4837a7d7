"""What the commands show of everything: facts, JSON shapes and words. Reads the journal, and draws nothing."""
