// Owns: the compressed forms of the built assets. Never changes an asset itself.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin, ResolvedConfig } from 'vite';

const COMPRESSIBLE = /\.(html|js|css|svg|json|webmanifest|txt|ico|map|wasm)$/;

/** Bytes below which a compressed form saves less than its own headers cost. */
const SMALLEST_WORTHWHILE = 256;

/** Every file below `directory`, as full paths. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Writes `path`.gz and `path`.br where each is smaller than the file. */
function compressFile(path: string): void {
  const bytes = readFileSync(path);
  if (bytes.length < SMALLEST_WORTHWHILE) return;
  const gzip = gzipSync(bytes, { level: 9 });
  const brotli = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  if (gzip.length < bytes.length) writeFileSync(`${path}.gz`, gzip);
  if (brotli.length < bytes.length) writeFileSync(`${path}.br`, brotli);
}

/** A Vite plugin that compresses whatever the build wrote, wherever `--outDir` put it. */
export function precompress(): Plugin {
  let config: ResolvedConfig;
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(resolved) {
      config = resolved;
    },
    closeBundle: {
      order: 'post',
      sequential: true,
      handler(error?: Error) {
        if (error) return;
        for (const path of filesBelow(resolve(config.root, config.build.outDir))) if (COMPRESSIBLE.test(path)) compressFile(path);
      },
    },
  };
}
