/** Builds one part of a static delta. Source: ostree-repo-static-delta-compilation.c. */

import { type Checksum, concatBytes, encodeUtf8, fromHex } from '../../../bytes.ts'
import { type FileHeader, isSymlink, type MetaType, objectTypeNumber, Xattrs } from '../../../objects/index.ts'
import { DeltaPayload, OPERATIONS, pushVaruint } from '../format.ts'
import type { RollsumMatch } from './rollsum.ts'

/** Bytes of owner, group and mode. */
const MODE_SIZE = 12

/** Collects objects. The bytes added are referenced, not copied, until `encode`. */
export class DeltaPartBuilder {
  /** Two of each object: the number of its type, and its checksum. */
  readonly #names: Uint8Array[] = []
  readonly #blob: Uint8Array[] = []
  readonly #operations: number[] = []
  readonly #modes = new IndexedValues<{ uid: number; gid: number; mode: number }>()
  readonly #xattrs = new IndexedValues<Xattrs>()
  #xattrsSize = 0
  #count = 0
  #blobSize = 0
  #unpacked = 0

  /** Number of objects. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the objects: of metadata the whole object, of files the content. */
  get unpacked(): number {
    return this.#unpacked
  }

  /** Bytes of the payload as ostree counts them since 2026.3: without padding and the ends of its members. */
  get size(): number {
    return this.#blobSize + this.#operations.length + MODE_SIZE * this.#modes.values.length + this.#xattrsSize
  }

  /** Adds a metadata object. `bytes` must not change until `encode`. */
  addMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): void {
    this.#begin(type, checksum)
    this.#operations.push(OPERATIONS.openSpliceAndClose)
    this.#push(bytes.length, this.#append(bytes))
    this.#unpacked += bytes.length
  }

  /** Adds a file object. `content` must not change until `encode`. */
  addFile(checksum: Checksum, header: FileHeader, content: Uint8Array): void {
    this.#begin('file', checksum)
    const attributes = this.#attributes(header)
    const bytes = isSymlink(header) ? encodeUtf8(header.target) : content
    this.#operations.push(OPERATIONS.openSpliceAndClose)
    this.#push(...attributes, bytes.length, this.#append(bytes))
    this.#unpacked += content.length
  }

  /**
   * Adds a regular file of which another one has some ranges. `content` must not change until `encode`.
   * @param matches ranges in the order of the new file, at least one
   */
  addRollsum(
    checksum: Checksum,
    header: FileHeader,
    content: Uint8Array,
    from: Checksum,
    matches: readonly RollsumMatch[],
  ): void {
    this.#begin('file', checksum)
    const attributes = this.#attributes(header)
    const source = this.#append(fromHex(from))
    this.#operations.push(OPERATIONS.open)
    this.#push(...attributes, content.length)
    let at = 0
    let reading = false
    const literal = (end: number) => {
      if (end === at) return
      if (reading) this.#operations.push(OPERATIONS.unsetReadSource)
      reading = false
      const bytes = content.subarray(at, end)
      const offset = this.#append(bytes)
      this.#operations.push(OPERATIONS.write)
      this.#push(bytes.length, offset)
      at = end
    }
    for (const match of matches) {
      literal(match.to)
      if (!reading) {
        this.#operations.push(OPERATIONS.setReadSource)
        this.#push(source)
        reading = true
      }
      this.#operations.push(OPERATIONS.write)
      this.#push(match.length, match.from)
      at += match.length
    }
    if (reading) this.#operations.push(OPERATIONS.unsetReadSource)
    reading = false
    literal(content.length)
    this.#operations.push(OPERATIONS.close)
    this.#unpacked += content.length
  }

  /** Adds a regular file as a patch of another one. @param size bytes of the new file */
  addBsdiff(checksum: Checksum, header: FileHeader, size: number, from: Checksum, patch: Uint8Array): void {
    this.#begin('file', checksum)
    const attributes = this.#attributes(header)
    const source = this.#append(fromHex(from))
    this.#operations.push(OPERATIONS.open)
    this.#push(...attributes, size)
    this.#operations.push(OPERATIONS.setReadSource)
    this.#push(source)
    const offset = this.#append(patch)
    this.#operations.push(OPERATIONS.bspatch)
    this.#push(offset, patch.length)
    this.#operations.push(OPERATIONS.unsetReadSource, OPERATIONS.close)
    this.#unpacked += size
  }

  #begin(type: MetaType | 'file', checksum: Checksum): void {
    this.#names.push(Uint8Array.of(objectTypeNumber(type)), fromHex(checksum))
    this.#count++
  }

  /** Returns the indices of mode and xattrs. */
  #attributes({ uid, gid, mode, xattrs }: FileHeader): [mode: number, xattrs: number] {
    const bytes = Xattrs.encode(xattrs)
    const before = this.#xattrs.values.length
    const index = this.#xattrs.indexOf(String(bytes), xattrs)
    if (this.#xattrs.values.length > before) this.#xattrsSize += bytes.length
    return [this.#modes.indexOf(`${uid},${gid},${mode}`, { uid, gid, mode }), index]
  }

  #push(...numbers: number[]): void {
    for (const number of numbers) pushVaruint(this.#operations, number)
  }

  /** @returns the offset in the blob */
  #append(bytes: Uint8Array): number {
    const offset = this.#blobSize
    this.#blob.push(bytes)
    this.#blobSize += bytes.length
    return offset
  }

  /** Returns the payload, and the names of the objects, 33 bytes each: type number, checksum. */
  encode(): { payload: Uint8Array; objects: Uint8Array } {
    const payload = DeltaPayload.encode({
      modes: this.#modes.values,
      xattrs: this.#xattrs.values,
      blob: concatBytes(this.#blob),
      operations: Uint8Array.from(this.#operations),
    })
    return { payload, objects: concatBytes(this.#names) }
  }
}

/** Distinct values, referred to by index: most files share owner, mode and xattrs with many others. */
class IndexedValues<T> {
  readonly values: T[] = []
  readonly #indexes = new Map<string, number>()

  /** Returns the index of a value, which is added if it is new. @param key equal for equal values */
  indexOf(key: string, value: T): number {
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = this.values.push(value) - 1
      this.#indexes.set(key, index)
    }
    return index
  }
}
