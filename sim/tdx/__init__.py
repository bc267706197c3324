"""The TDX module: its locks, the S-EPT, SEAMCALLs, TDCALLs, zero-step mitigation and TLB epochs.

Files, functions and line numbers cited here are those of the public intel/tdx-module, release
1.5.01, below `src/`, unless another release is named.
"""
