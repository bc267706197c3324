"""Fuzz on a cluster: here one of two processes, which dask starts.

Elsewhere `tdpsim fuzz --cluster ADDRESS` is all.

On the cluster: `dask scheduler` on one machine, `dask worker ADDRESS --nworkers auto --nthreads 1`
on each of the others, all with the same tdpsim. Workers may come and go. (One thread each: a batch
is pure computation.)
"""

import json
import subprocess
import sys
import tempfile

from distributed import LocalCluster

if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        asked = [
            "np-to-leaf-exclusive",
            "--seeds",
            "0:400",
            "--batch",
            "50",
            "--store",
            f"{folder}/campaign.db",
        ]
        command = [
            sys.executable,
            "-m",
            "sim.cli",
            "fuzz",
            *asked,
            "--cluster",
            cluster.scheduler_address,
            "--json",
        ]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    end = json.loads(said.splitlines()[-1])
    print(f"{end['seeds']} seeds on two workers, digest {end['digest']}")
    for finding in end["findings"]:
        print(f"{finding['kind']} in {finding['where']}, first seen by seed {finding['seed']:#x}")
