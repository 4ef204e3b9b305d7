/** The `doctor` command: checks whether a device computes correctly; its table can be pasted into an issue. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { version } from './base/version.ts';
import { duration } from './base/words.ts';
import { type DeviceInfo, type DeviceName, loadAddon, type ProbeAnswer } from './model/addon.ts';
import { chooseDevice } from './model/device.ts';
import { type CheckResult, type DoctorSettings, examine } from './model/doctor_checks.ts';
import { parseDoctor } from './options.ts';
import { PassingLine } from './ui/passing_line.ts';

/** The word in front of a probe's name when this command starts itself, to ask it in a process of its own. */
const ASK = '--ask';
const PROBE_SECONDS = 60;

/** Prints the checks as they end, and answers with the exit code. */
export async function doctorCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/doctor.ts' } = {},
): Promise<number> {
  if (words[0] === ASK) return answerProbe(words[1] as DeviceName, words[2]!);
  const line = parseDoctor(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const { device: name, standin, json, bench } = line.values;
  if (standin) chooseStandin();
  const devices = await loadAddon().devices();
  chooseDevice(name, devices);
  const device = devices.find((each) => each.name === name)!;
  const print = (text: string) => void (json || process.stdout.write(`${text}\n`));
  print(heading(device));
  const results = await allResults({ device, bench, ask: (probe) => askProbe(name, probe) }, print, signal);
  if (signal.aborted) return 130;
  const wrong = results.filter(({ ok, excuse }) => !ok && !excuse).length;
  if (json) process.stdout.write(`${JSON.stringify(asJson(device, results, wrong))}\n`);
  print(`\n${verdict(results, wrong)}`);
  return wrong > 0 ? 1 : 0;
}

/** Prints each result when it is there; on a terminal a line says what is checked just now, and for how long. */
async function allResults(
  settings: DoctorSettings,
  print: (text: string) => void,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const line = new PassingLine(process.stderr);
  const onStart = (name: string) => {
    const begin = performance.now();
    const seconds = () => duration((performance.now() - begin) / 1000);
    line.show(() => `${results.length} checks done; now: ${name}, ${seconds()}`);
  };
  for await (const result of examine({ ...settings, onStart })) {
    line.clear();
    if (signal.aborted) break;
    results.push(result);
    print(row(result));
  }
  return results;
}

function chooseStandin(): void {
  const path = fileURLToPath(new URL('../build/standin/Release/birbs.node', import.meta.url));
  process.env.BIRBS_ADDON ??= path;
  if (existsSync(process.env.BIRBS_ADDON)) return;
  throw new UserError(
    `Expected the addon on the MPSGraph stand-in at ${path}, but found none; \`node src/setup.mjs --standin\` builds it`,
    2,
  );
}

function platform(): string {
  return `birbs-metal ${version()}, Node.js ${process.version}, ${process.platform}-${process.arch}`;
}

function heading({ name, description, gpu }: DeviceInfo): string {
  const lines = [`birbs doctor: ${name} (${description})`, platform()];
  if (gpu) {
    const working = gpu.workingSetBytes > 0 ? `${gpu.workingSetBytes / 2 ** 20} MiB` : 'unknown';
    lines.push(
      `GPU ${gpu.name}, family ${gpu.family}, ${gpu.system}, unified memory: ${gpu.unifiedMemory ? 'yes' : 'no'}, ` +
        `virtual: ${gpu.virtual ? 'yes, so its numbers may be wrong' : 'no'}, working set: ${working}`,
    );
  }
  const titles = cells('check', 'result', 'worst', 'allowed', 'seconds', 'detail');
  return [...lines, '', titles, titles.replace(/[^|]/g, '-')].join('\n');
}

function row({ name, ok, excuse, worst, tolerance, seconds, detail }: CheckResult): string {
  const number = (value: number | null) => (value === null ? '' : value.toExponential(1));
  const text = excuse ? `${excuse}: ${detail}` : detail;
  const result = ok ? 'ok' : excuse ? 'warn' : 'WRONG';
  return cells(name, result, number(worst), number(tolerance), seconds.toFixed(2), text);
}

/** A row of a Markdown table that can be read without Markdown too. */
function cells(...[name, result, worst, tolerance, seconds, detail]: string[]): string {
  const columns = [
    name!.padEnd(52),
    result!.padEnd(6),
    worst!.padStart(8),
    tolerance!.padStart(8),
    seconds!.padStart(7),
    detail!.replaceAll('|', '/').replaceAll('\n', ' '),
  ];
  return `| ${columns.join(' | ')} |`;
}

function verdict(results: CheckResult[], wrong: number): string {
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0).toFixed(1);
  const excused = results.filter(({ ok, excuse }) => !ok && excuse).length;
  const warned = excused > 0 ? ` but ${excused} warnings` : '';
  return wrong === 0
    ? `No mismatch in ${results.length} checks${warned}, ${seconds} s.`
    : `${wrong} of ${results.length} checks failed, ${seconds} s: do not train on this device, and please paste this table into an issue.`;
}

function asJson(device: DeviceInfo, checks: CheckResult[], wrong: number) {
  const { version: node, platform: system, arch } = process;
  return { 'birbs-metal': version(), node, platform: `${system}-${arch}`, device, ok: wrong === 0, checks };
}

/** In the process that {@link askProbe} started. */
async function answerProbe(device: DeviceName, probe: string): Promise<number> {
  const answer = await loadAddon().probe(device, probe);
  process.stdout.write(JSON.stringify(answer));
  return 0;
}

/** Asks in a new process; rejects with what is left of it when it dies. */
function askProbe(device: DeviceName, probe: string): Promise<ProbeAnswer> {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [...process.execArgv, script, ASK, device, probe], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PROBE_SECONDS * 1000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(stdout) as ProbeAnswer);
      else reject(new Error(`its process ended with ${signal ?? code}: ${stderr.trim().split('\n')[0]}`));
    });
  });
}

if (isMain(import.meta.url)) void runCommand(doctorCommand);
