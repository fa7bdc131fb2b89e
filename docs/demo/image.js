// Pictures as Float32Array planes in [-1, 1], one for each channel, row by row: the same arithmetic as
// mpsrgan.io.images, mpsrgan.upscale.windows and mpsrgan.upscale.projection.

// The windows of one axis: [low, high, start, stop], as mpsrgan.upscale.windows.spans makes them.
export function spans(length, tile, halo) {
  const window = Math.min(length, tile + 2 * halo), found = [];
  for (let start = 0; start < length;) {
    const low = Math.min(Math.max(start - halo, 0), length - window), high = low + window;
    const stop = high === length ? length : high - halo;
    found.push([low, high, start, stop]);
    start = stop;
  }
  return found;
}

// The smallest tile that needs no more windows than the given one.
export function evened(length, tile, halo) {
  const windows = Math.max(1, Math.ceil((length - 2 * halo) / tile));
  return Math.max(1, Math.min(tile, Math.ceil((length - 2 * halo) / windows)));
}

const cubic = (x) => { // Pillow's bicubic, a = -0.5
  x = Math.abs(x);
  return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
};

// The weights by which Pillow resizes one axis with its bicubic filter: for each output [first input, weights].
export function weights(from, to) {
  const scale = from / to, wide = Math.max(scale, 1), rows = [];
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(center - 2 * wide + 0.5));
    const high = Math.min(from, Math.trunc(center + 2 * wide + 0.5));
    const row = Array.from({ length: high - low }, (_, k) => cubic((low + k - center + 0.5) / wide));
    const sum = row.reduce((a, b) => a + b, 0);
    rows.push([low, row.map((one) => one / sum)]);
  }
  return rows;
}

// plane (height, width) times two matrices of such rows -> (rows.length, columns.length)
function apply(plane, width, rows, columns) {
  const height = plane.length / width, wide = columns.length;
  const middle = new Float32Array(height * wide), result = new Float32Array(rows.length * wide);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < wide; x++) {
      const [low, row] = columns[x];
      let sum = 0;
      for (let k = 0; k < row.length; k++) sum += row[k] * plane[y * width + low + k];
      middle[y * wide + x] = sum;
    }
  for (let y = 0; y < rows.length; y++) {
    const [low, row] = rows[y];
    for (let k = 0; k < row.length; k++)
      for (let x = 0; x < wide; x++) result[y * wide + x] += row[k] * middle[(low + k) * wide + x];
  }
  return result;
}

export const resize = (plane, width, height, toWidth, toHeight) =>
  apply(plane, width, weights(height, toHeight), weights(width, toWidth));

const inverses = new Map();

// The pseudo-inverse of the downscaling of one axis, as rows: M' (M M')^-1, by Gauss-Jordan elimination.
function pseudoInverse(length, scale) {
  const key = `${length} ${scale}`;
  if (inverses.has(key)) return inverses.get(key);
  const sparse = weights(scale * length, length);
  const dense = sparse.map(([low, row]) => {
    const full = new Float64Array(scale * length);
    full.set(row, low);
    return full;
  });
  const square = dense.map((a, i) => {
    const row = new Float64Array(2 * length);
    const [low, values] = sparse[i];
    for (let j = 0; j < length; j++) values.forEach((value, k) => { row[j] += value * dense[j][low + k]; });
    row[length + i] = 1;
    return row;
  });
  for (let i = 0; i < length; i++) { // the matrix is symmetric and positive definite, so no pivot is 0
    const pivot = square[i][i];
    for (let k = i; k < 2 * length; k++) square[i][k] /= pivot;
    for (let j = 0; j < length; j++) {
      const factor = square[j][i];
      if (j !== i && factor) for (let k = i; k < 2 * length; k++) square[j][k] -= factor * square[i][k];
    }
  }
  const rows = Array.from({ length: scale * length }, (_, y) => {
    const row = new Float32Array(length);
    for (let j = 0; j < length; j++)
      if (dense[j][y]) for (let k = 0; k < length; k++) row[k] += dense[j][y] * square[j][length + k];
    return [0, row];
  });
  inverses.set(key, rows);
  return rows;
}

// The image nearest to sr that gives lr when it is downscaled; both are lists of planes. sr is changed in place.
export function project(sr, lr, width, height, scale) {
  const rows = pseudoInverse(height, scale), columns = pseudoInverse(width, scale);
  sr.forEach((plane, channel) => {
    for (let step = 0; step < 2; step++) {
      const drift = resize(plane, scale * width, scale * height, width, height);
      for (let i = 0; i < drift.length; i++) drift[i] -= lr[channel][i];
      const added = apply(drift, width, rows, columns);
      for (let i = 0; i < plane.length; i++) plane[i] = Math.min(1, Math.max(-1, plane[i] - added[i]));
    }
  });
}

// A gray picture stays gray: three equal planes of luma (ITU-R 601), as mpsrgan.Upscaler returns them.
export const isGray = ([r, g, b]) => r.every((value, i) => value === g[i] && value === b[i]);

export function grayed([r, g, b]) {
  const luma = r.map((value, i) => 0.299 * value + 0.587 * g[i] + 0.114 * b[i]);
  return [luma, luma.slice(), luma.slice()];
}

// RGBA bytes <-> three planes
export function planes(bytes) {
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes[4 * i + channel] / 127.5 - 1));
}

export function bytes(three) {
  const result = new Uint8ClampedArray(4 * three[0].length).fill(255); // it rounds
  three.forEach((plane, channel) => plane.forEach((value, i) => { result[4 * i + channel] = 127.5 * value + 127.5; }));
  return result;
}
