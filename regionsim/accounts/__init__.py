"""Accounts, users and roles as values; each Region holds a copy, which follows IAM with a delay. Pure."""
