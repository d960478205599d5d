"""Callers: an application with an AWS SDK, its Regions in order, its time-outs and retries."""
