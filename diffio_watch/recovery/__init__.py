"""How a lost or old journal comes back, and how folders change hands: from what stands in the folders themselves."""
