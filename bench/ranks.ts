/**
 * What several ranks cost beside the step of one process: on one machine, and between network namespaces whose
 * bandwidth `tc` limits (Linux, as root), which stand for machines on a network.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CHILD = join(ROOT, 'bench/ranks_child.ts');

interface Measured {
  weights: number;
  step: number;
  exchange: number;
  sum: number;
}

interface Case {
  network: string;
  imageSize: number;
  /** Of all ranks. */
  batchSize: number;
  rounds: number;
}

const DEFAULT: Case = { network: 'birbs', imageSize: 64, batchSize: 32, rounds: 30 };
const FINE_TUNING: Case = { network: 'lite0', imageSize: 160, batchSize: 16, rounds: 5 };

export async function* ranks(): AsyncGenerator<object> {
  for (const [name, mpirun, words, env] of WAYS) yield measure(DEFAULT, 2, name, [mpirun, ...words], env);
  for (const gigabits of [1, 10]) yield* overNetwork(DEFAULT, gigabits);
  for (const gigabits of [1, 10]) yield* overNetwork(FINE_TUNING, gigabits);
}

const OPEN = ['--oversubscribe', '--bind-to', 'none', '--quiet'];
const WAYS: [string, string, string[], NodeJS.ProcessEnv][] = [
  ['Open MPI, shared memory', 'mpirun.openmpi', OPEN, {}],
  ['Open MPI, TCP over loopback', 'mpirun.openmpi', [...OPEN, '--mca', 'btl', 'self,tcp'], {}],
  ['MPICH, shared memory', 'mpirun.mpich', [], {}],
];

function measure(one: Case, size: number, name: string, mpirun: string[], env: NodeJS.ProcessEnv = {}) {
  const { network, imageSize, batchSize } = one;
  const line = {
    bench: 'ranks',
    case: `${network} ${imageSize} px, ${batchSize} images, ${size} ranks, ${name}`,
  };
  const [command, ...words] = mpirun;
  const found = run(one, batchSize, command!, [...words, '-n', `${size}`], env);
  if ('missing' in found) return { ...line, ...found };
  // What a rank computes alone, as many images as it has here.
  const alone = run(one, Math.ceil(batchSize / size), undefined, [], { BIRBS_BENCH_ALONE: '1' });
  if ('missing' in alone) return { ...line, ...alone };
  const milliseconds = (value: number) => Math.round(value * 10) / 10;
  return {
    ...{ ...line, unit: 'ms', weights: found.weights },
    ...{ step: milliseconds(found.step), waited: milliseconds(found.exchange), sum: milliseconds(found.sum) },
    ...{
      alone: milliseconds(alone.step),
      waitedShare: Math.round((found.exchange / found.step) * 100) / 100,
    },
  };
}

function run(
  { network, imageSize, rounds }: Case,
  batchSize: number,
  mpirun: string | undefined,
  words: string[],
  env: NodeJS.ProcessEnv,
): Measured | { missing: string } {
  const program = ['--import', 'tsx', CHILD, network, `${imageSize}`, `${batchSize}`, `${rounds}`];
  const [command, all] = mpirun
    ? [mpirun, [...words, process.execPath, ...program]]
    : [process.execPath, program];
  const child = spawnSync(command, all, {
    ...{ cwd: ROOT, encoding: 'utf8', timeout: 200_000 },
    env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', ...env },
  });
  const line = child.stdout?.split('\n').find((text) => text.startsWith('{'));
  if (line) return JSON.parse(line) as Measured;
  return {
    missing: child.error?.message ?? (child.stderr.trim().split('\n')[0] || `it ended with ${child.status}`),
  };
}

/** Two ranks in a namespace each, joined by a bridge. */
function* overNetwork(one: Case, gigabits: number): Generator<object> {
  const folder = mkdtempSync(join(tmpdir(), 'birbs-namespaces-'));
  const sh = (text: string) => spawnSync('sh', ['-ec', text], { encoding: 'utf8' });
  const nodes = [1, 2];
  const end = () =>
    sh(
      [...nodes.map((node) => `ip netns del birbs${node} || true`), 'ip link del birbs0 || true'].join('\n'),
    );
  const begin = [
    'ip link add birbs0 type bridge',
    'ip addr add 10.77.7.254/24 dev birbs0',
    'ip link set birbs0 up',
    ...nodes.flatMap((node) => [
      `ip netns add birbs${node}`,
      `ip link add birbsv${node} type veth peer name eth0 netns birbs${node}`,
      `ip link set birbsv${node} master birbs0 up`,
      `ip -n birbs${node} addr add 10.77.7.${node}/24 dev eth0`,
      `ip -n birbs${node} link set eth0 up`,
      `ip -n birbs${node} link set lo up`,
      // Each way: what the node sends, and what it is sent.
      `ip netns exec birbs${node} tc qdisc add dev eth0 root tbf rate ${gigabits}gbit burst 1mb latency 20ms`,
    ]),
  ];
  try {
    end();
    const { status, stderr } = sh(begin.join('\n'));
    if (status !== 0) {
      yield { bench: 'ranks', case: `${gigabits} Gbit/s`, missing: `network namespaces: ${stderr.trim()}` };
      return;
    }
    // Takes the place of ssh: "host command...".
    const agent = join(folder, 'agent');
    const lines = [
      '#!/bin/sh',
      'host=$1',
      'shift',
      'exec ip netns exec birbs$(echo $host | cut -d. -f4) sh -c "$*"',
    ];
    writeFileSync(agent, `${lines.join('\n')}\n`, { mode: 0o755 });
    const words = [
      ...[...OPEN, '--mca', 'plm_rsh_agent', agent, '--mca', 'btl', 'self,tcp'],
      ...['--mca', 'btl_tcp_if_include', '10.77.7.0/24', '--mca', 'oob_tcp_if_include', '10.77.7.0/24'],
      ...['--host', nodes.map((node) => `10.77.7.${node}:1`).join(',')],
    ];
    yield measure(one, nodes.length, `Open MPI, ${gigabits} Gbit/s between namespaces`, [
      'mpirun.openmpi',
      ...words,
    ]);
  } finally {
    end();
    rmSync(folder, { recursive: true, force: true });
  }
}
