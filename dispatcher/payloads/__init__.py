"""Payload styles: how CDRs are shown to a receiver. One file each, one registry."""
