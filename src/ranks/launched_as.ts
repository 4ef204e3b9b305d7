/** The environment that MPI launchers give to their processes. */

export interface LaunchedAs {
  /** Processes; 1 where none was recognised. */
  size: number;
  rank: number;
}

/** As `native/launched_as.cpp` reads it, without the addon. */
export function launchedAs(env: NodeJS.ProcessEnv = process.env): LaunchedAs {
  const number = (name: string) => (env[name] === undefined ? Number.NaN : Number(env[name]));
  for (const [size, rank] of [
    ['OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_RANK'],
    ['PMI_SIZE', 'PMI_RANK'],
    ['SLURM_NTASKS', 'PMIX_RANK'],
  ] as const) {
    const found = { size: number(size), rank: number(rank) };
    if (Number.isInteger(found.size) && Number.isInteger(found.rank)) return found;
  }
  return { size: 1, rank: 0 };
}
