"""Bytes in, Cdr out; `BadCdr` names the field at fault. No Django, no clock."""
