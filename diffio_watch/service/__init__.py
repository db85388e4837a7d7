"""The page: its server and API. It reads the journal and writes `requests`; nothing of the pipeline knows it."""
