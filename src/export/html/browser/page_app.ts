/**
 * The page that `export --format html` writes, as it runs in a browser: pictures come by choosing, dropping, pasting or
 * the camera, and each gets a card with its answer.
 */
import type { HeatMap } from '../page_explain.ts';
import { bytesOfBase64, openModel, type PageAnswer, type PageModel } from '../page_model.ts';
import { SquareResizer } from '../page_resize.ts';

const model = JSON.parse(byId('model').textContent ?? '') as PageModel;
const answerTo = openModel(model, bytesOfBase64(byId('weights').textContent ?? ''));
// What it was read from is not needed again.
byId('weights').remove();

function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** An element with a class, text and children. */
function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  look: string,
  ...content: (string | Node)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = look;
  element.append(...content);
  return element;
}

const percent = (share: number) => `${(share * 100).toFixed(1)}%`;

/** Rows that are drawn and read at a time: one canvas of a whole photo may be too large for a phone. */
const ROWS = 256;

/** The network's square of a picture; see SquareResizer. */
function squareOf(
  picture: CanvasImageSource,
  size: { width: number; height: number },
  isJpeg: boolean,
): Uint8Array {
  const canvas = document.createElement('canvas');
  canvas.width = size.width;
  canvas.height = Math.min(ROWS, size.height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  const resizer = new SquareResizer(size, { ...model.input, isJpeg });
  for (let y = 0; y < size.height; y += ROWS) {
    const rows = Math.min(ROWS, size.height - y);
    context.fillStyle = '#fff';
    context.fillRect(0, 0, size.width, rows);
    context.drawImage(picture, 0, -y, size.width, size.height);
    resizer.add(context.getImageData(0, 0, size.width, rows).data);
  }
  return resizer.finish();
}

function drawSquare(canvas: HTMLCanvasElement, square: Uint8Array): void {
  const { width, height } = model.input;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++)
    image.data.set([square[3 * i]!, square[3 * i + 1]!, square[3 * i + 2]!, 255], 4 * i);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

/** Places that spoke for the answer, from clear to warm. */
function drawHeat(canvas: HTMLCanvasElement, { width, height, values }: HeatMap): void {
  const largest = Math.max(...values, 1e-12);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const heat = Math.max(0, values[i]!) / largest;
    image.data.set([255, 210 - 170 * heat, 30, 215 * heat ** 0.8], 4 * i);
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

/** The words of an answer. */
function verdictOf({ guess, certainty, isUnsure, probabilities }: PageAnswer): {
  title: string;
  note: string;
} {
  const name = model.classNames[guess]!;
  const isBelow = probabilities[guess]! < Math.max(...probabilities);
  const note = isBelow ? `${model.classNames[0]} begins at ${percent(model.threshold!)}` : '';
  if (isUnsure) return { title: 'unsure', note: [`perhaps ${name}`, note].filter(Boolean).join(', ') };
  return { title: name, note: [certainty < 0.8 ? 'probably' : '', note].filter(Boolean).join(', ') };
}

/** The most likely classes, a bar each; of two classes, where the threshold lies. */
function barsOf({ probabilities, guess }: PageAnswer): HTMLElement {
  const ranked = probabilities.map((share, k) => ({ share, k })).sort((a, b) => b.share - a.share);
  const list = make('dl', 'shares');
  for (const { share, k } of ranked.slice(0, 5)) {
    const bar = make('span', `share${k === guess ? ' guess' : ''}`);
    bar.style.setProperty('--share', share.toFixed(4));
    const track = make('dd', 'track', bar, make('span', 'number', percent(share)));
    if (model.threshold !== undefined && k === 0) {
      const line = make('span', 'line');
      line.style.setProperty('--share', model.threshold.toFixed(4));
      line.title = `${model.classNames[0]} from ${percent(model.threshold)} on`;
      track.append(line);
    }
    list.append(make('dt', '', make('bdi', '', model.classNames[k]!)), track);
  }
  return list;
}

interface Card {
  element: HTMLElement;
  show(square: Uint8Array, answer: PageAnswer): void;
  fail(reason: string): void;
}

function makeCard(name: string): Card {
  const [picture, heat] = [document.createElement('canvas'), document.createElement('canvas')];
  heat.className = 'heat';
  heat.setAttribute('aria-hidden', 'true');
  picture.setAttribute('role', 'img');
  const [title, note] = [make('h2', 'answer', '…'), make('p', 'note')];
  const body = make('div', 'body', title, note);
  const remove = make('button', 'remove', '×');
  remove.type = 'button';
  remove.setAttribute('aria-label', `Remove ${name}`);
  const element = make(
    'article',
    'card waiting',
    make('div', 'picture', picture, heat),
    body,
    make('p', 'file', make('bdi', '', name)),
    remove,
  );
  element.setAttribute('aria-label', name);
  remove.addEventListener('click', () => {
    const next = (element.nextElementSibling ?? element.previousElementSibling)?.querySelector('button');
    element.remove();
    (next ?? byId('choose')).focus();
    showCount();
  });
  let bars: HTMLElement | undefined;
  return {
    element,
    show(square, answer) {
      const words = verdictOf(answer);
      drawSquare(picture, square);
      picture.setAttribute('aria-label', `${name}: ${words.title}`);
      if (answer.heat) drawHeat(heat, answer.heat);
      title.textContent = words.title;
      title.className = `answer${answer.isUnsure ? ' unsure' : ''}`;
      note.textContent = words.note;
      const next = barsOf(answer);
      if (bars) bars.replaceWith(next);
      else body.append(next);
      bars = next;
      element.classList.remove('waiting');
    },
    fail(reason) {
      element.classList.remove('waiting');
      element.classList.add('failed');
      title.textContent = 'not readable';
      note.textContent = reason;
      picture.remove();
      heat.remove();
    },
  };
}

const cards = byId('cards');
const status = byId('status');

function showCount(): void {
  document.body.classList.toggle('used', cards.children.length > 0);
}

/** A breath for the browser to draw what there is. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

/** More at once would only be scrolled past. */
const MOST_FILES = 200;

/** One picture after the other, so that the page stays responsive; those that came first are answered first. */
let queue = Promise.resolve();

function addFiles(files: Iterable<File>): void {
  const all = [...files];
  const taken = all.slice(0, MOST_FILES);
  if (taken.length < all.length) say(`Only the first ${MOST_FILES} of ${all.length} files were taken.`);
  const fresh = taken.map((file) => ({ file, card: makeCard(file.name || 'pasted picture') }));
  cards.prepend(...fresh.map(({ card }) => card.element));
  showCount();
  queue = queue.then(async () => {
    for (const { file, card } of fresh) if (card.element.isConnected) await answerFile(file, card);
    if (fresh.length > 1) say(`${fresh.length} pictures answered.`);
  });
}

async function answerFile(file: File, card: Card): Promise<void> {
  await breath();
  const name = file.name || 'pasted picture';
  let picture: ImageBitmap;
  try {
    picture = await createImageBitmap(file, { imageOrientation: 'from-image' });
  } catch {
    const kind = file.type || 'a file of an unknown kind';
    card.fail(file.size === 0 ? 'The file is empty.' : `This browser can't read it as an image (${kind}).`);
    say(`${name} is not readable.`);
    return;
  }
  try {
    const square = squareOf(picture, picture, await isJpeg(file));
    const answer = answerTo(square);
    card.show(square, answer);
    const { title, note } = verdictOf(answer);
    say(`${name}: ${title}${note && `, ${note}`}, ${percent(answer.probabilities[answer.guess]!)}`);
  } catch (error) {
    card.fail(`It could not be examined: ${(error as Error).message}`);
  } finally {
    picture.close();
  }
}

async function isJpeg(file: Blob): Promise<boolean> {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return first === 0xff && second === 0xd8;
}

/** For screen readers as well. */
function say(text: string): void {
  status.textContent = text;
}

const input = byId<HTMLInputElement>('file');
byId('choose').addEventListener('click', () => input.click());
input.addEventListener('change', () => {
  addFiles(input.files ?? []);
  input.value = '';
});

document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dragging');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) document.body.classList.remove('dragging');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dragging');
  const files = event.dataTransfer?.files ?? [];
  if (files.length === 0) say('What was dropped is no file: save the picture first, or copy and paste it.');
  addFiles(files);
});

document.addEventListener('paste', (event) => {
  const files = event.clipboardData?.files ?? [];
  if (files.length === 0) say('There is no picture in the clipboard.');
  else event.preventDefault();
  addFiles(files);
});

const why = byId<HTMLInputElement>('why');
why.addEventListener('change', () => document.body.classList.toggle('why', why.checked));

const camera = byId('camera');
const video = byId<HTMLVideoElement>('video');
const shutter = byId('shutter');
let live: MediaStream | undefined;

async function startCamera(): Promise<void> {
  try {
    if (!navigator.mediaDevices) throw new Error('this browser gives no camera to a page opened from a file');
    live = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (error) {
    say(`The camera can't be used: ${(error as Error).message}.`);
    return;
  }
  video.srcObject = live;
  await video.play();
  byId('live').hidden = false;
  camera.textContent = 'Stop the camera';
  shutter.focus();
  const words = byId('live-answer');
  while (live) {
    if (video.videoWidth > 0) {
      const size = { width: video.videoWidth, height: video.videoHeight };
      const answer = answerTo(squareOf(video, size, false));
      const { title, note } = verdictOf(answer);
      words.textContent = `${title}${note && `, ${note}`} · ${percent(answer.probabilities[answer.guess]!)}`;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

function stopCamera(): void {
  for (const track of live?.getTracks() ?? []) track.stop();
  live = undefined;
  byId('live').hidden = true;
  camera.textContent = 'Use the camera';
}

camera.addEventListener('click', () => (live ? stopCamera() : void startCamera()));
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && live) {
    stopCamera();
    camera.focus();
  }
});
let shots = 0;
shutter.addEventListener('click', () => {
  if (video.videoWidth === 0) return;
  const card = makeCard(`camera ${++shots}`);
  const square = squareOf(video, { width: video.videoWidth, height: video.videoHeight }, false);
  cards.prepend(card.element);
  showCount();
  card.show(square, answerTo(square));
});

document.body.classList.add('ready');
