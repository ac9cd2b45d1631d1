/** Makes what is measured: from a scenario, from files with layers, or from an image. */
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { nodePlatform } from '../../../platform/node.ts'
import { uncompressedTar } from '../../../repo/index.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { packTar } from '../../../tar/index.ts'
import { openSource, parseReference } from '../../container/image-reference.ts'
import { Contents } from '../scenarios/contents.ts'
import type { Scenario } from '../scenarios/scenarios.ts'
import type { Input } from './input.ts'
import { LayoutWriter } from './layout-writer.ts'

/** An input that is not made yet. */
export interface InputPlan {
  readonly name: string
  readonly summary: string
  make(folder: string, context: MakeContext): Promise<Input>
}

export interface MakeContext {
  readonly signal: AbortSignal
  /** Called with bytes of tars that were written since the last call. */
  readonly onBytes: (bytes: number) => void
}

/** Makes the image of a scenario. @param scale factor of the number of files, or of their sizes if they are few */
export function planScenario({ name, summary, layers }: Scenario, scale: number, seed: number): InputPlan {
  return {
    name,
    summary: scale === 1 ? summary : `${summary}; scaled by ${scale}`,
    async make(folder, { signal, onBytes }) {
      const writer = newWriter(folder, onBytes)
      const count = (full: number): number => Math.max(1, Math.round(full * scale))
      for (const entries of layers(new Contents(seed), count)) {
        await writer.addTar(abortable(packTar(entries), signal))
      }
      return writer.finish(name)
    },
  }
}

/** Makes an image of the layers in files: tars that are plain, or compressed in any way that the library reads. */
export function planLayers(paths: readonly string[]): InputPlan {
  const [first = ''] = paths
  const name = paths.length === 1 ? basename(first) : `${paths.length} layers`
  return {
    name,
    summary: paths.join(', '),
    async make(folder, { signal, onBytes }) {
      const writer = newWriter(folder, onBytes)
      for (const path of paths) {
        const bytes = abortable(nodeFiles.stream(path), signal)
        if (await isForImages(path)) await writer.addBlob(bytes)
        else await writer.addTar(uncompressedTar(nodePlatform, bytes))
      }
      return writer.finish(name)
    },
  }
}

/** Copies an image, so that the rounds are alike and every program can read it. */
export function planImage(reference: string): InputPlan {
  const { imgref } = parseReference(reference)
  return {
    name: reference,
    summary: reference,
    async make(folder, { signal, onBytes }) {
      const writer = newWriter(folder, onBytes)
      const source = await openSource(imgref, DEFAULT_ACCESS, signal)
      try {
        for (const layer of source.manifest.layers) await writer.addBlob(abortable(source.blob(layer), signal))
        return writer.finish(reference, await source.configBytes())
      } finally {
        await source[Symbol.asyncDispose]()
      }
    },
  }
}

const DEFAULT_ACCESS = {
  'auth-anonymous': false,
  authfile: undefined,
  'cert-dir': undefined,
  'insecure-skip-tls-verification': false,
}

function newWriter(folder: string, onBytes: (bytes: number) => void): LayoutWriter {
  mkdirSync(join(folder), { recursive: true })
  return new LayoutWriter(folder, onBytes)
}

/** The first bytes of gzip and zstd, as which layers are compressed in images. */
const IMAGE_COMPRESSIONS = [
  [0x1f, 0x8b],
  [0x28, 0xb5, 0x2f, 0xfd],
]

/** Tells whether a file is compressed as layers of images are. */
async function isForImages(path: string): Promise<boolean> {
  for await (const head of nodeFiles.stream(path, { length: Math.min(4, (await nodeFiles.stat(path))?.size ?? 4) })) {
    return IMAGE_COMPRESSIONS.some((magic) => magic.every((byte, i) => head[i] === byte))
  }
  return false
}

async function* abortable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    signal.throwIfAborted()
    yield chunk
  }
}
