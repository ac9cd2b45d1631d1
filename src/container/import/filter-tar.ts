/**
 * A layer with its paths as a deployment has them, as a tar stream again.
 *
 * Source: ostree-ext, tar/write.rs, filter_tar.
 */

import { FormatError } from '../../errors.ts'
import { xattrsFromPax } from '../../repo/index.ts'
import { type TarHeader, TarParser, type TarSink, TarWriter } from '../../tar/index.ts'
import { LayerFilter, type LayerFilterOptions } from './layer-filter.ts'

/**
 * @param from uncompressed; a chunk may be reused once the next is asked for
 * @throws {TarFormatError}, {LimitError} as importing the layer would
 */
export async function* filterTar(
  from: AsyncIterable<Uint8Array>,
  options: LayerFilterOptions = {},
): AsyncGenerator<Uint8Array, void> {
  const sink = new WritingSink()
  const parser = new TarParser(new LayerFilter(sink, options))
  for await (const chunk of from) {
    parser.push(chunk)
    yield* sink.take()
  }
  parser.finish()
  sink.finish()
  yield* sink.take()
}

class WritingSink implements TarSink {
  readonly #writer = new TarWriter()
  #parts: Uint8Array[] = []
  #size = 0

  entry(header: TarHeader): void {
    const { path, linkPath, mode, uid, gid, mtime, userName, groupName, devMajor, devMinor, pax } = header
    if (header.type === 'pax-global') throw new FormatError('tar', 'Invalid tar entry of type pax-global')
    const type = header.type === 'unknown' ? 'file' : header.type
    this.#size = header.size
    const owner = { mode, uid, gid, mtime, userName, groupName, devMajor, devMinor }
    this.#parts.push(this.#writer.header({ type, path, linkPath, ...owner, xattrs: xattrsFromPax(pax) }, header.size))
  }

  data(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice())
  }

  end(): void {
    this.#parts.push(this.#writer.padding(this.#size))
  }

  finish(): void {
    this.#parts.push(this.#writer.end())
  }

  take(): Uint8Array[] {
    const parts = this.#parts
    this.#parts = []
    return parts
  }
}
