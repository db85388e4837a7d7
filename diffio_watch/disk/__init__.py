"""What is asked of file systems: names, durable writes, mounts, markers, leases."""
