"""`regionsim bench`: how many calls a second this machine answers, beside what the bare cryptography costs on it."""
