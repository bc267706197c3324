"""tdpsim: every interleaving of the TDP MMU and the TDX module, by machine."""

__version__ = "0.1.0.dev0"
