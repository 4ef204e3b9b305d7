/** Programs that use an exported file, with the image preparation that its network was trained on. */
import type { ExportedModel } from './exported_model.ts';

type Model = Pick<ExportedModel, 'network' | 'calibration'>;

/** With onnxruntime, Pillow and NumPy. */
export function pythonSnippet({ network: { input, classNames }, calibration }: Model, file: string): string {
  const { width, height, fit } = input;
  const size = `(${width}, ${height})`;
  const square = {
    cover: `ImageOps.fit(image, ${size}, Image.LANCZOS)`,
    contain: `ImageOps.pad(image, ${size}, Image.LANCZOS, color="white")`,
    fill: `image.resize(${size}, Image.LANCZOS)`,
  }[fit];
  const answer =
    calibration.threshold === undefined
      ? ['guess = p.argmax()', 'certainty = p[guess]']
      : [
          `t = ${calibration.threshold}  # from this probability of ${JSON.stringify(classNames[0])} on, it is the answer`,
          'a, b = p[0] * (1 - t), p[1] * t',
          'guess, certainty = (0 if a >= b else 1), max(a, b) / (a + b)',
        ];
  return `# pip install onnxruntime pillow numpy
import json, numpy as np, onnxruntime as ort
from PIL import Image, ImageOps

session = ort.InferenceSession(${JSON.stringify(file)})
labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGBA")
image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
pixels = np.asarray(${square}, np.uint8)[None]
p = session.run(["probabilities"], {"image": pixels})[0][0].astype(float)
${answer.join('\n')}
print(labels[guess] if certainty >= ${calibration.unsureBelow} else "unsure", dict(zip(labels, p.tolist())))`;
}

/** With onnxruntime-node and sharp: the pixels are those of training, byte for byte. */
export function nodeSnippet({ network: { input, classNames }, calibration }: Model, file: string): string {
  const { width, height, fit } = input;
  const { threshold: t, unsureBelow } = calibration;
  const answer =
    t === undefined
      ? ['const guess = p.indexOf(Math.max(...p));', 'const certainty = p[guess];']
      : [
          `const t = ${t}; // from this probability of ${JSON.stringify(classNames[0])} on, it is the answer`,
          'const [a, b] = [p[0] * (1 - t), p[1] * t];',
          'const [guess, certainty] = [a >= b ? 0 : 1, Math.max(a, b) / (a + b)];',
        ];
  return `// npm install onnxruntime-node sharp
import ort from 'onnxruntime-node';
import sharp from 'sharp';

const session = await ort.InferenceSession.create(${JSON.stringify(file)});
const labels = ${JSON.stringify(classNames)};
const pixels = await sharp('photo.jpg').autoOrient()
  .resize(${width}, ${height}, { fit: '${fit}', background: '#fff' })
  .flatten({ background: '#fff' }).toColourspace('srgb').raw().toBuffer();
const image = new ort.Tensor('uint8', new Uint8Array(pixels), [1, ${height}, ${width}, 3]);
const p = [...(await session.run({ image })).probabilities.data];
${answer.join('\n')}
console.log(certainty >= ${unsureBelow} ? labels[guess] : 'unsure', p);`;
}

/** With Core ML and Vision; the class that Xcode makes of the model is named after its file. */
export function swiftSnippet({ network: { input, classNames }, calibration }: Model, file: string): string {
  const crop = { cover: 'centerCrop', contain: 'scaleFit', fill: 'scaleFill' }[input.fit];
  const { threshold: t, unsureBelow } = calibration;
  const answer =
    t === undefined
      ? ['let (guess, certainty) = p.max { $0.value < $1.value }!']
      : [
          `let t = ${t} // from this probability of ${JSON.stringify(classNames[0])} on, it is the answer`,
          `let (a, b) = (p[${JSON.stringify(classNames[0])}]! * (1 - t), p[${JSON.stringify(classNames[1])}]! * t)`,
          `let (guess, certainty) = (a >= b ? ${JSON.stringify(classNames[0])} : ${JSON.stringify(classNames[1])}, max(a, b) / (a + b))`,
        ];
  const pad = input.fit === 'contain' ? ' // pads with black; training padded with white' : '';
  return `import CoreML
import Foundation
import Vision

let compiled = try await MLModel.compileModel(at: URL(fileURLWithPath: ${JSON.stringify(file)}))
let model = try VNCoreMLModel(for: MLModel(contentsOf: compiled))
let request = VNCoreMLRequest(model: model)
request.imageCropAndScaleOption = .${crop}${pad}
try VNImageRequestHandler(url: URL(fileURLWithPath: "photo.jpg")).perform([request])
let found = request.results as! [VNClassificationObservation]
let p = Dictionary(uniqueKeysWithValues: found.map { ($0.identifier, Double($0.confidence)) })
${answer.join('\n')}
print(certainty >= ${unsureBelow} ? guess : "unsure", p)`;
}
