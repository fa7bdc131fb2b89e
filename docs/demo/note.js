// The provenance note of a result, as mpsrgan.io.metadata writes it, so that `mpsrgan verify` reads it.
const digest = async (buffer) => {
  if (!globalThis.crypto?.subtle) return null; // on a page without HTTPS
  const hash = await crypto.subtle.digest('SHA-256', buffer);
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
};

// The digest of opaque pixels, as mpsrgan.io.images.pixels_digest computes it: gray ones have one channel.
async function pixelsDigest(rgba, [width, height]) {
  const count = width * height, gray = new Uint8Array(count), rgb = new Uint8Array(3 * count);
  let colored = false;
  for (let i = 0; i < count; i++) {
    const [r, g, b] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    gray[i] = r;
    rgb.set([r, g, b], 3 * i);
    colored ||= r !== g || r !== b;
  }
  const header = new TextEncoder().encode(`(${height}, ${width}, ${colored ? 3 : 1}) uint8 `);
  return digest(await new Blob([header, colored ? rgb : gray]).arrayBuffer());
}

// about: what about.json holds; pixels: RGBA of the result
export async function note(about, { file, given, size, pixels, consistency }) {
  return {
    ...about.note,
    input_sha256: await digest(await file.arrayBuffer()),
    input_size: given,
    scale: about.scale,
    steps: `x${about.scale} network`,
    faithful: true,
    lr_consistency: Math.min(consistency, 100),
    keeps: 'pixels',
    output_size: size,
    pixels_sha256: await pixelsDigest(pixels, size),
    warning: about.warning,
  };
}

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function packet(about, one) {
  const description = `${one.warning} Model: ${one.model}.`;
  const filled = { description, software: one.software, note: JSON.stringify(one) };
  return about.packet.replace(/\{(\w+)\}/g, (all, name) => escaped(filled[name]));
}

function crc(bytes) {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let k = 0; k < 8; k++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}

// Put the note into a PNG, as an iTXt chunk behind its header.
export function withNote(png, about, one) {
  const body = new TextEncoder().encode(`iTXtXML:com.adobe.xmp\0\0\0\0\0${packet(about, one)}`);
  const chunk = new DataView(new ArrayBuffer(body.length + 8));
  chunk.setUint32(0, body.length - 4);
  new Uint8Array(chunk.buffer).set(body, 4);
  chunk.setUint32(body.length + 4, crc(body));
  return new Blob([png.slice(0, 33), chunk.buffer, png.slice(33)], { type: 'image/png' });
}
