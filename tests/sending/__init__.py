"""Tests of the sending room: real sockets on 127.0.0.1, short deadlines."""
