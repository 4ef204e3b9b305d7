/** The command that exports: from a run folder to a file that answers as predict does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ModelProto } from '../../src/export/onnx/onnx_messages.ts';
import { openOnnx } from '../../src/export/onnx/run_onnx.ts';
import { decodeMessage } from '../../src/export/protobuf.ts';
import { exportCommand, exportModel } from '../../src/export.ts';
import { openClassifier } from '../../src/predictor/classifier.ts';
import { train } from '../../src/train.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('export');
const run = join(folder, 'run');
const photos = join(folder, 'photos');

beforeAll(async () => {
  await pictureFolder(photos, 12, 12);
  await train({
    ...{ data: [photos], network: 'birbs-bn', imageSize: 16, epochs: 1, batchSize: 8, ui: 'none' },
    ...{ run, cache: join(folder, 'cache'), lock: join(folder, 'lock.json'), device: 'cpu' },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a command prints. */
async function output(...words: string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    expect(await exportCommand(words, new AbortController().signal)).toBe(0);
    return write.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    write.mockRestore();
  }
}

test('an ONNX file beside the weights answers as predict does, and says how images are prepared', async () => {
  const text = await output(run);
  const path = join(run, 'best.onnx');
  expect(text).toContain(`${path}: ONNX, opset 17, float32 weights`);
  expect(text).toMatch(/on 4 validation images: probabilities differ by at most \S+e-/);
  expect(text).toContain('ImageOps.fit(image, (16, 16), Image.LANCZOS)');
  expect(text).toContain(".resize(16, 16, { fit: 'cover', background: '#fff' })");
  const classifier = await openClassifier({ model: run });
  const { calibration, metadata: notes } = classifier.model;
  const { metadataProps = [] } = decodeMessage(ModelProto, readFileSync(path));
  expect(Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]))).toEqual({
    task: 'classify',
    names: '{"0":"bird","1":"not-bird"}',
    labels: '["bird","not-bird"]',
    imgsz: '[16,16]',
    ...{ fit: 'cover', resize: 'lanczos3', background: '#ffffff' },
    temperature: String(calibration.temperature),
    unsureBelow: String(calibration.unsureBelow),
    threshold: String(calibration.threshold),
    dataHash: notes.dataHash,
    tool: expect.stringMatching(/^birbs-metal \d/),
  });
  const exported = openOnnx(readFileSync(path));
  for (const name of ['bird/3.png', 'not-bird/5.png']) {
    const pixels = await classifier.decode(readFileSync(join(photos, name)));
    const [verdict] = await classifier.classify([pixels]);
    const { probabilities } = exported(pixels);
    for (const [k, share] of Object.values(verdict!.probabilities).entries())
      expect(probabilities[k]).toBeCloseTo(share, 6);
  }
  await classifier.dispose();
});

test('without the images of the run, generated ones serve, and a sentence says so', async () => {
  const bare = join(folder, 'bare');
  cpSync(join(run, 'best.safetensors'), join(bare, 'w.safetensors'));
  const file = await exportModel({ model: join(bare, 'w.safetensors'), weights: 'fp16' });
  expect(file).toMatchObject({ path: join(bare, 'w.onnx'), checked: { images: 16, on: 'generated images' } });
  expect(file.remarks).toEqual([
    'Checked on generated images, as the validation images are not at hand: there is no run.json.',
  ]);
  const printed = JSON.parse(await output('--model', join(bare, 'w.safetensors'), '--json'));
  expect(printed.bytes).toBeGreaterThan(1.8 * file.bytes);
  expect(printed.bytes).toBe(readFileSync(printed.path).length);
  expect(readdirSync(bare).sort()).toEqual(['w.onnx', 'w.safetensors']);
});

test('every format appears under its own ending, in place of an earlier one', async () => {
  for (const [format, path] of [
    ['coreml', 'best.mlmodel'],
    ['mlprogram', 'best.mlpackage'],
    ['mlprogram', 'best.mlpackage'],
    ['html', 'best.html'],
  ] as const) {
    const file = await exportModel({ model: run, format });
    expect(file).toMatchObject({ path: join(run, path), remarks: [], checked: { images: 4 } });
    expect(file.checked.probabilities).toBeLessThan(1e-5);
  }
  expect(
    readdirSync(run)
      .filter((name) => name.startsWith('.') || name.startsWith('best.'))
      .sort(),
  ).toEqual([...['best.html', 'best.mlmodel', 'best.mlpackage', 'best.onnx', 'best.safetensors']]);
  expect(readFileSync(join(run, 'best.html'), 'utf8')).not.toContain(folder);
  await expect(exportModel({ model: run, format: 'mlprogram', out: join(run, 'best.html') })).rejects.toThrow(
    /^Expected --out to name a new package \(\.mlpackage\), but /,
  );
});

test('SIGKILL while the file is written: there is none, and the next export removes what was left', async () => {
  const place = join(folder, 'killed');
  mkdirSync(place);
  const path = fileURLToPath(new URL('../../src/export.ts', import.meta.url));
  const words = ['--import', 'tsx', path, run, '--out', join(place, 'x.onnx')];
  const child = spawn(process.execPath, words, { stdio: 'ignore' });
  const looking = setInterval(() => {
    if (readdirSync(place).length > 0) child.kill('SIGKILL');
  }, 0);
  const [, signal] = await once(child, 'exit');
  clearInterval(looking);
  // A machine that is busy may look too late.
  const left = readdirSync(place);
  expect(left.includes('x.onnx')).toBe(signal === null);
  await exportModel({ model: run, out: join(place, 'x.onnx') });
  expect(readdirSync(place)).toEqual(['x.card.md', 'x.onnx']);
});

test('Ctrl-C: nothing is written', async () => {
  const out = join(folder, 'stopped.onnx');
  const stopped = exportCommand([run, '--out', out], AbortSignal.abort());
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  expect(existsSync(out)).toBe(false);
});

test('what can not be exported is refused with a sentence, and nothing is written', async () => {
  const refused = (given: Parameters<typeof exportModel>[0]) =>
    exportModel(given).then(
      () => 'exported',
      (error: Error) => error.message,
    );
  expect(await refused({ model: join(folder, 'none') })).toMatch(/^No such model: /);
  expect(await refused({ model: run, out: folder })).toMatch(
    /^Expected --out to name a file, but .* is none; choose another name$/,
  );
  expect(await refused({ model: run, out: join(run, 'best.safetensors') })).toMatch(
    /^Expected --out to name another file than the weights /,
  );
  expect(await refused({ model: run, out: join(folder, 'no/such/x.onnx') })).toMatch(
    /^Could not save .*: ENOENT; choose a folder/,
  );
  const damaged = join(folder, 'damaged.safetensors');
  writeFileSync(damaged, readFileSync(join(run, 'best.safetensors')).subarray(0, 20_000));
  expect(await refused({ model: damaged })).toMatch(
    /damaged\.safetensors is not a (usable )?safetensors file: /,
  );
  expect(existsSync(join(folder, 'damaged.onnx'))).toBe(false);
  await expect(exportCommand(['a', 'b'], new AbortController().signal)).rejects.toThrow(
    'Expected one model, but found a and b; export them one by one',
  );
});
