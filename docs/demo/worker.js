// The network in onnxruntime-web, window by window as mpsrgan.upscale does it, away from the thread of the page.
import { bytes, evened, grayed, isGray, planes, project, resize, spans } from './image.js';

const MODEL = 'mpsrgan-lite.onnx';
let session;

async function hasGpu() {
  try {
    return Boolean(await navigator.gpu?.requestAdapter());
  } catch {
    return false;
  }
}

async function open() {
  const model = new Uint8Array(await (await fetch(MODEL)).arrayBuffer());
  if (await hasGpu()) {
    try {
      return await opened(model, './ort.webgpu.min.mjs', 'webgpu');
    } catch (error) {
      console.warn('WebGPU did not start, going on with WASM:', error);
    }
  }
  return opened(model, './ort.wasm.min.mjs', 'wasm');
}

async function opened(model, file, provider) {
  const ort = await import(file);
  const threads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
  ort.env.wasm.numThreads = threads;
  const made = await ort.InferenceSession.create(model, { executionProviders: [provider] });
  const words = provider === 'wasm' ? `WASM on the processor, ${threads} thread${threads > 1 ? 's' : ''}` : 'WebGPU';
  return { ort, made, words: `onnxruntime-web: ${words}` };
}

// lr: planes (height, width) -> planes four times larger
async function network(lr, width, height) {
  const { ort, made } = session, data = new Float32Array(3 * width * height);
  lr.forEach((plane, channel) => plane.forEach((value, i) => { data[3 * i + channel] = value; }));
  const { sr } = await made.run({ lr: new ort.Tensor('float32', data, [1, height, width, 3]) });
  const values = sr.data;
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: values.length / 3 }, (_, i) => Math.min(1, Math.max(-1, values[3 * i + channel]))));
}

const cut = (plane, width, x0, y0, x1, y1) => {
  const part = new Float32Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) part.set(plane.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  return part;
};

// scale, tile, overlap: those of mpsrgan.Upscaler, from about.json
async function upscale({ pixels, width, height, scale, tile, overlap }) {
  session ??= await open();
  const all = planes(pixels), result = all.map(() => new Float32Array(scale * scale * width * height));
  const [rows, columns] = [height, width].map((side) => spans(side, evened(side, tile, overlap), overlap));
  const gray = isGray(all);
  let done = 0;
  for (const [lowY, highY, top, bottom] of rows)
    for (const [lowX, highX, left, right] of columns) {
      const w = highX - lowX, h = highY - lowY;
      const lr = all.map((plane) => cut(plane, width, lowX, lowY, highX, highY));
      const made = await network(lr, w, h), sr = gray ? grayed(made) : made;
      project(sr, lr, w, h, scale);
      sr.forEach((plane, channel) => {
        for (let y = scale * top; y < scale * bottom; y++) {
          const from = (y - scale * lowY) * scale * w + scale * (left - lowX);
          result[channel].set(plane.subarray(from, from + scale * (right - left)), y * scale * width + scale * left);
        }
      });
      postMessage({ progress: ++done / (rows.length * columns.length) });
    }
  const before = all.map((plane) => resize(plane, width, height, scale * width, scale * height));
  const after = bytes(result);
  const psnr = consistency(after, all, width, height, scale);
  return { after, before: bytes(before), consistency: psnr, backend: session.words };
}

// PSNR in dB of the input against the rounded result, downscaled.
function consistency(after, all, width, height, scale) {
  let squares = 0;
  planes(after).forEach((plane, channel) => {
    const back = resize(plane, scale * width, scale * height, width, height);
    back.forEach((value, i) => { squares += (value - all[channel][i]) ** 2; });
  });
  return 10 * Math.log10(4 * 3 * width * height / squares);
}

onmessage = async ({ data }) => {
  try {
    const result = await upscale(data);
    postMessage({ result }, [result.after.buffer, result.before.buffer]);
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
};
