"""KVM: the TDP MMU on a mirror root, mmu_lock, the vCPU loop, and the glue to the TDX module.

A function keeps the kernel's name and the order of its steps. Paths are those of the kernel tree;
the base is v6.19, and `sim.kvm.versions` has what other versions changed. One class a file of the
kernel, each on top of the one it calls into.
"""
