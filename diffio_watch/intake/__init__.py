"""From seen to settled: one thread an inbox finds files, waits until they are finished, and journals them."""
