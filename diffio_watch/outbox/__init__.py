"""What lands in the outbox: names, durable publishing, sidecars and error files, and what becomes of originals."""
