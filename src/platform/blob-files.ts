/** Reads the files that a user has chosen in a browser, without reading them whole. */

import { EMPTY_BYTES } from '../bytes.ts'
import { IoError, LimitError } from '../errors.ts'
import type { LocalFiles } from './interface.ts'
import { STREAM_CHUNK_BYTES } from './limits.ts'

/** The part of a `Blob` or `File` that is used here. */
export interface BlobLike {
  /** Bytes. */
  readonly size: number
  slice(start: number, end: number): BlobLike
  arrayBuffer(): Promise<ArrayBuffer>
}

/**
 * Returns access to blobs by path, for the transports that read files: an archive is read piece by piece.
 *
 * @example
 * const archive = await (await fetch('/image.tar')).blob() // or a File that was chosen on the page
 * const readable = blobFiles({ 'image.tar': archive })
 * const image = await unpackToMemory('oci-archive:image.tar', { platform: portablePlatform, host, files: readable })
 * @param blobs blobs by their paths, also those of a directory (`layout/index.json`); or one blob, which every path names
 */
export function blobFiles(blobs: BlobLike | Readonly<Record<string, BlobLike>>): LocalFiles {
  const one = isBlob(blobs) ? blobs : undefined
  const byPath = new Map(isBlob(blobs) ? [] : Object.entries(blobs).map(([path, blob]) => [plain(path), blob]))
  const find = (path: string): BlobLike | undefined => one ?? byPath.get(plain(path))
  const require = (path: string): BlobLike => {
    const blob = find(path)
    if (blob === undefined) throw new IoError(`No such file: ${path}`, 'ENOENT', path)
    return blob
  }
  return {
    async stat(path) {
      const blob = find(path)
      if (blob !== undefined) return { kind: 'file', size: blob.size }
      const prefix = `${plain(path)}/`
      const isDirectory = [...byPath.keys()].some((name) => prefix === '/' || name.startsWith(prefix))
      return isDirectory ? { kind: 'directory', size: 0 } : undefined
    },
    async *stream(path, { offset = 0, length } = {}) {
      const blob = require(path)
      const end = length === undefined ? blob.size : offset + length
      for (let at = offset; at < Math.min(end, blob.size); at += STREAM_CHUNK_BYTES) {
        yield await read(blob, path, at, Math.min(at + STREAM_CHUNK_BYTES, end, blob.size))
      }
      const left = length === undefined ? 0 : end - Math.max(offset, blob.size)
      if (left > 0) throw new IoError(`${path}: ends ${left} bytes before the end of the range`, 'EIO', path)
    },
    async read(path, limit) {
      const blob = require(path)
      if (blob.size > limit) {
        throw new LimitError('file size', limit, `${path} is larger than ${limit} bytes`, path)
      }
      return blob.size === 0 ? EMPTY_BYTES : read(blob, path, 0, blob.size)
    },
    join: (...parts) => plain(parts.join('/')),
  }
}

function isBlob(value: BlobLike | Readonly<Record<string, BlobLike>>): value is BlobLike {
  return typeof value.slice === 'function' && typeof value.arrayBuffer === 'function'
}

/** Returns a path without `.`, empty parts and slashes at its ends. */
function plain(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}

/** @throws {IoError} when the file cannot be read, because it was changed or deleted since it was chosen */
async function read(blob: BlobLike, path: string, start: number, end: number): Promise<Uint8Array> {
  let buffer: ArrayBuffer
  try {
    buffer = await blob.slice(start, end).arrayBuffer()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new IoError(`Reading ${path}: ${why}`, 'EIO', path, { cause: error })
  }
  return new Uint8Array(buffer)
}
