/**
 * Rewrites the tar stream of a layer: its entries get the paths that they have in a deployment.
 *
 * Source: ostree-ext, tar/write.rs, filter_tar.
 */

import { FormatError } from '../../errors.ts'
import { permissionsOf, xattrsFromPax } from '../../repo/internal.ts'
import { feedThrough, type TarHeader, TarParser, type TarSink, TarWriter } from '../../tar/index.ts'
import { LayerFilter, type LayerFilterOptions } from './layer-filter.ts'

/** Bytes of objects held until their links come: half of what an import holds, since `WritingSink` copies them. */
const MAX_HELD_BYTES = 1 << 26

/**
 * Returns the tar stream of a layer with the paths, and without the entries, that an import of the layer would give.
 * @param from uncompressed; a chunk may be reused once the next one is asked for
 * @throws {TarFormatError}, {LimitError} as importing the layer would
 */
export async function* filterTar(
  from: AsyncIterable<Uint8Array>,
  options: LayerFilterOptions = {},
): AsyncGenerator<Uint8Array, void> {
  const sink = new WritingSink()
  const filter = new LayerFilter(sink, { maxHeldBytes: MAX_HELD_BYTES, ...options })
  yield* feedThrough(new TarParser(filter, { allowMissingPadding: true }), from, () => sink.take())
  filter.finish()
  yield* sink.take()
  yield sink.endOfArchive()
}

/** Writes the entries of one archive to another. */
class WritingSink implements TarSink {
  readonly #writer = new TarWriter()
  #parts: Uint8Array[] = []
  #size = 0

  entry(header: TarHeader): void {
    const { path, linkPath, uid, gid, mtime, userName, groupName, devMajor, devMinor, pax } = header
    if (header.type === 'pax-global') throw new FormatError('tar', 'Invalid tar entry of type pax-global')
    const type = header.type === 'unknown' ? 'file' : header.type
    this.#size = header.size
    const owner = { mode: permissionsOf(header), uid, gid, mtime, userName, groupName, devMajor, devMinor }
    this.#parts.push(this.#writer.header({ type, path, linkPath, ...owner, xattrs: xattrsFromPax(pax) }, header.size))
  }

  data(bytes: Uint8Array): void {
    this.#parts.push(new Uint8Array(bytes))
  }

  end(): void {
    this.#parts.push(this.#writer.padding(this.#size))
  }

  endOfArchive(): Uint8Array {
    return this.#writer.end()
  }

  /** Returns what was written since the last call. */
  take(): Uint8Array[] {
    const parts = this.#parts
    this.#parts = []
    return parts
  }
}
