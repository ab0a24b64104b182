"""NEUTRAL: the nouns and messages that cross a process line.

Standard library and msgspec only. Every zone may import this package and it imports none of them, so a reader who wants
to know what can be said between a kernel, the relay and the broker finds all of it here.
"""
