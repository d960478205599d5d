"""Screens: which widgets stand where, and what keys mean there."""
