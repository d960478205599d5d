"""The rules of KMS: pure decisions, no clock, no randomness, no input or output."""
