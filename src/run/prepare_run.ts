/** Network and weights, images, split and plan of a run, and the options of its session. */
import { resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import { loadDataset } from '../data/dataset.ts';
import { readHierarchy } from '../data/hierarchy_file.ts';
import { splitDataset } from '../data/split.ts';
import { loadAddon, type SessionOptions } from '../model/addon.ts';
import { chooseDevice } from '../model/device.ts';
import { isPretrained } from '../model/pretrained.ts';
import { trainingSettings } from '../model/training_defaults.ts';
import { planEpochs } from '../training/plan.ts';
import { preflight } from '../training/preflight.ts';
import { buildNetwork, chooseNetwork, type NetworkChoice, startWeights } from './choose_network.ts';
import { checkParts, compareData } from './rank_checks.ts';
import { checkNetwork, epochsOf } from './resolve_options.ts';
import { describeRun } from './run_description.ts';
import { reading } from './run_epochs.ts';
import { saveDescription } from './run_folder.ts';
import type { Prepared, Run } from './run_state.ts';
import { nameSources } from './start_event.ts';
import { allValues, sessionOptions } from './start_session.ts';

/** Of several ranks, the first of each machine prepares for the others there, and all must have found the same. */
export async function prepareTogether(run: Run): Promise<Prepared> {
  const { ranks } = run;
  if (!ranks) return prepare(run);
  const prepared = await ranks.inTurn(async () => {
    const found = await prepare(run);
    checkParts(ranks, found.plan.batchSize);
    return found;
  });
  await compareData(ranks, prepared.dataset.hash, prepared.network);
  return prepared;
}

/** Network and weights, images, split, plan: each decided by the one before. */
async function prepare(run: Run): Promise<Prepared> {
  const { options, root, clock, emit, signal } = run;
  const fromRoot = (path: string) => (root === undefined ? path : resolve(root, path));
  const [cacheDir, lock] = [fromRoot(options.cache), fromRoot(options.lock)];
  const onProgress = (progress: Parameters<typeof reading>[0]) => emit(reading(progress));
  const choice = await clock.during('reading', networkOf(run, fromRoot, { cacheDir, lock, onProgress }));
  const { name, imageSize } = choice;
  if (choice.own || isPretrained(name)) checkNetwork({ ...options, network: name, imageSize });
  const epochs = epochsOf(options, choice);
  const tuned = epochs > 1;
  const fit = run.given.fit ?? choice.fit ?? options.fit;
  const clipNorm = options.clipNorm ?? (isPretrained(name) && tuned ? TUNED_CLIP : undefined);
  const settings = trainingSettings(name, options);
  // For run.json, and whoever resumes it.
  Object.assign(options, { network: name, imageSize, epochs, fit, clipNorm, ...settings });
  // Weights that can't be used are refused before any image is read.
  const start = await clock.during('reading', startWeights(choice));
  const { data, birds, notBirds, val, cacheLimit, updateLock, verify, valFraction, seed } = options;
  const loading = loadDataset({
    data,
    birds,
    notBirds,
    validation: val,
    imageSize,
    fit,
    cacheDir,
    cacheLimit,
    lock,
    updateLock,
    verify,
    root,
    onProgress,
    signal,
  });
  const dataset = await clock.during('reading', loading);
  const hierarchy =
    options.hierarchy === undefined
      ? dataset.hierarchy
      : await readHierarchy(fromRoot(options.hierarchy), dataset.classNames);
  const split = await splitDataset(dataset, { fraction: valFraction, seed });
  const headEpochs = isPretrained(name) ? 1 : 0;
  const plan = await planEpochs(dataset, split, { ...options, ...settings, imageSize, epochs, headEpochs });
  emit(plan.event);
  const network = buildNetwork(choice, { classNames: dataset.classNames, fit, tuned });
  return { choice, start, epochs, settings, dataset, split, plan, network, hierarchy };
}

/** Largest norm of a gradient of fine-tuning. */
const TUNED_CLIP = 1;

/** A run that is resumed keeps its network; its weights are in the checkpoint. */
async function networkOf(
  { options, hasCheckpoint, signal }: Run,
  fromRoot: (path: string) => string,
  {
    cacheDir,
    lock,
    onProgress,
  }: { cacheDir: string; lock: string; onProgress: (progress: Parameters<typeof reading>[0]) => void },
): Promise<NetworkChoice> {
  const { network, imageSize, data, birds, notBirds, updateLock } = options;
  if (hasCheckpoint && network !== 'auto' && imageSize !== undefined) return { name: network, imageSize };
  const sources = [...data, ...birds, ...notBirds];
  const [pretrained, init] = [options.pretrained, options.init].map((path) => path && fromRoot(path));
  const request = { network, imageSize, pretrained, init, sources, cacheDir, lock, updateLock };
  return chooseNetwork(request, { onProgress, signal });
}

/**
 * What the session is opened with, on a device that is known to compute this network rightly: a GPU is checked first, and
 * where it fails, `auto` takes the CPU.
 * @throws UserError where the GPU was asked for by name and fails
 */
export async function settleSession(run: Run, prepared: Prepared): Promise<SessionOptions> {
  const { options, device, resumed, clock, emit, signal, ranks } = run;
  const { choice, dataset, split, plan, network } = prepared;
  const choices = {
    ...options,
    ...prepared.settings,
    batchSize: plan.batchSize,
    tuned: isPretrained(choice.name),
  };
  const session = sessionOptions(network, device, dataset, split, choices, ranks);
  if (device.name !== 'metal') return session;
  const values = resumed?.checkpoint?.values ?? (prepared.start && allValues(network, prepared.start));
  const devices = await loadAddon().devices();
  const gpu = devices.find(({ name }) => name === 'metal')!;
  const cacheDir = run.root === undefined ? options.cache : resolve(run.root, options.cache);
  const onStart = () => emit({ type: 'check', device: gpu.gpu?.name ?? gpu.description });
  const checking = preflight({ session, gpu, values, cacheDir, onStart, signal });
  const { why, depthwise, file } = await clock.during('reading', checking);
  if (why === '') return { ...session, depthwise };
  const again = `birbs-metal doctor says more, and removing ${file} has it checked again`;
  if (options.device !== 'auto')
    throw new UserError(
      `--device metal can't be used for this network: expected the GPU to take the training steps that the CPU takes, but ${why}; use --device cpu; ${again}`,
    );
  const reason = `the Apple GPU failed its check with this network: ${why}; ${again}`;
  run.device = { ...chooseDevice('cpu', devices), reason };
  run.description = describeRun(options, run.device, resumed);
  await saveDescription(run.folder, run.description);
  emit({ type: 'device', ...run.device, ...nameSources(options, options) });
  return sessionOptions(network, run.device, dataset, split, choices);
}
