"""The version, alone in a module so that every zone may import it."""

__version__ = "0.1.0"
