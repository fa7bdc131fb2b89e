// The page: a photo in, the slider, the download. worker.js computes.
import { note, withNote } from './note.js';

const MAX_PIXELS = 2_000_000; // of the input; the result has 16 times as many
const $ = (id) => document.getElementById(id);
const loaded = fetch('about.json').then((answer) => answer.json());
let current, worker;

const show = (...names) => names.forEach((name) => { $(name).hidden = false; });
const hide = (...names) => names.forEach((name) => { $(name).hidden = true; });

function fail(message) {
  $('problem').textContent = message;
  show('problem');
  hide('work');
  current = null;
}

// Decode a file upright, in sRGB, on white where it is transparent.
async function decode(file) {
  const image = await createImageBitmap(file);
  const { width, height } = image;
  if (width * height > MAX_PIXELS)
    throw new Error(`${file.name} has ${width}×${height} pixels; at most ${MAX_PIXELS / 1e6} million are taken ` +
      'here. Crop it to the face, or use the command mpsrgan upscale');
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  return { width, height, pixels: context.getImageData(0, 0, width, height).data };
}

// A worker that failed to load stays silent, so the next photo gets a new one.
function start() {
  worker = new Worker('worker.js', { type: 'module' });
  worker.onmessage = receive;
  worker.onerror = (event) => {
    worker.terminate();
    worker = null;
    fail(`It could not be started: ${event.message ?? 'the worker failed'}. Choose the photo again to retry`);
  };
}

async function take(file) {
  if (!file || current) return;
  hide('problem', 'facts', 'download');
  if (!worker) start();
  current = { file, began: performance.now() };
  let image;
  try {
    image = await decode(file);
  } catch (error) {
    fail(error instanceof DOMException ? `${file.name} is not a picture that this browser can read` : error.message);
    return;
  }
  if (!current) return; // the worker failed meanwhile
  Object.assign(current, { width: image.width, height: image.height });
  $('progress').removeAttribute('value');
  $('state').textContent = 'Loading the network…';
  show('work');
  try {
    worker.postMessage({ ...await loaded, ...image }, [image.pixels.buffer]);
  } catch (error) {
    fail(`The network could not be loaded: ${error.message}`);
  }
}

function receive({ data }) {
  if (data.error) return fail(`It could not be computed: ${data.error}`);
  if (data.progress) {
    $('progress').value = data.progress;
    $('state').textContent = `Upscaling… ${Math.round(100 * data.progress)} %`;
    return;
  }
  finish(data.result).catch((error) => fail(`It could not be shown: ${error.message}`));
}
start();

async function finish({ after, before, consistency, backend }) {
  const about = await loaded;
  const { file, width, height, began } = current, size = [about.scale * width, about.scale * height];
  for (const [id, pixels] of [['after', after], ['before', before]]) {
    [$(id).width, $(id).height] = size;
    $(id).getContext('2d').putImageData(new ImageData(pixels, ...size), 0, 0);
    show(id);
  }
  for (const one of document.querySelectorAll('#slider [hidden]')) one.hidden = false;
  hide('work', 'empty');
  $('slider').classList.remove('empty');
  $('slider').style.setProperty('--ratio', width / height);
  move(500);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  $('sizes').textContent = `${width}×${height} → ${size.join('×')} pixels, ${seconds} s`;
  $('backend').textContent = backend;
  $('consistency').textContent = `downscaled again it is the input, to ${Math.min(consistency, 99).toFixed(0)} dB`;
  const png = await new Promise((resolve) => $('after').toBlob(resolve, 'image/png'));
  if (!png) throw new Error('the result is too large for this browser; crop the photo');
  const text = await note(about, { file, given: [width, height], size, pixels: after, consistency });
  if ($('download').href) URL.revokeObjectURL($('download').href);
  $('download').href = URL.createObjectURL(withNote(await png.arrayBuffer(), about, text));
  $('download').download = `${file.name.replace(/\.[^.]*$/, '')}-x${about.scale}.png`;
  show('facts', 'download');
  current = null;
}

function move(position) {
  $('position').value = position;
  $('slider').style.setProperty('--at', `${position / 10}%`);
}

$('position').addEventListener('input', (event) => move(event.target.value));
$('file').addEventListener('change', (event) => { take(event.target.files[0]); event.target.value = ''; });
for (const kind of ['dragenter', 'dragover'])
  addEventListener(kind, (event) => { event.preventDefault(); $('drop').classList.add('over'); });
for (const kind of ['dragleave', 'drop']) addEventListener(kind, () => $('drop').classList.remove('over'));
addEventListener('drop', (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
