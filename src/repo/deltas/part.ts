/** Builds one part of a static delta from whole objects. Source: ostree-repo-static-delta-compilation.c. */

import { type Checksum, concatBytes, encodeUtf8, fromHex } from '../../bytes.ts'
import { type FileHeader, isSymlink, type MetaType, objectTypeNumber, Xattrs } from '../../objects/index.ts'
import { DeltaPart, DeltaPayload, OPERATIONS, pushVaruint, UNCOMPRESSED } from './format.ts'

/** Collects objects. The bytes added are referenced, not copied, until `encode`. */
export class DeltaPartBuilder {
  /** Two of each object: the number of its type, and its checksum. */
  readonly #names: Uint8Array[] = []
  readonly #blob: Uint8Array[] = []
  readonly #operations: number[] = []
  readonly #modes = new IndexedValues<{ uid: number; gid: number; mode: number }>()
  readonly #xattrs = new IndexedValues<Xattrs>()
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

  /** Adds a metadata object. `bytes` must not change until `encode`. */
  addMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): void {
    this.#open(type, checksum)
    this.#splice(bytes)
    this.#unpacked += bytes.length
  }

  /** Adds a file object. `content` must not change until `encode`. */
  addFile(checksum: Checksum, header: FileHeader, content: Uint8Array): void {
    this.#open('file', checksum)
    const { uid, gid, mode, xattrs } = header
    pushVaruint(this.#operations, this.#modes.indexOf(`${uid},${gid},${mode}`, { uid, gid, mode }))
    pushVaruint(this.#operations, this.#xattrs.indexOf(String(Xattrs.encode(xattrs)), xattrs))
    this.#splice(isSymlink(header) ? encodeUtf8(header.target) : content)
    this.#unpacked += content.length
  }

  #open(type: MetaType | 'file', checksum: Checksum): void {
    this.#names.push(Uint8Array.of(objectTypeNumber(type)), fromHex(checksum))
    this.#count++
    this.#operations.push(OPERATIONS.openSpliceAndClose)
  }

  #splice(bytes: Uint8Array): void {
    pushVaruint(this.#operations, bytes.length)
    pushVaruint(this.#operations, this.#blobSize)
    this.#blob.push(bytes)
    this.#blobSize += bytes.length
  }

  /** Returns the bytes of the part, and the objects it creates, 33 bytes each: type number, checksum. */
  encode(): { part: Uint8Array; objects: Uint8Array } {
    const payload = DeltaPayload.encode({
      modes: this.#modes.values,
      xattrs: this.#xattrs.values,
      blob: concatBytes(this.#blob),
      operations: Uint8Array.from(this.#operations),
    })
    return { part: DeltaPart.encode({ compression: UNCOMPRESSED, payload }), objects: concatBytes(this.#names) }
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
