"""Integrated AWS services as clients of KMS: which calls each makes, as whom, what its users see when a key fails."""
