/** One part of a static delta while it grows: whole objects, one after the other. Source: ostree-repo-static-delta-compilation.c. */

import { type Checksum, concatBytes, encodeUtf8, fromHex } from '../../bytes.ts'
import { type FileHeader, isSymlink, type MetaType, objectTypeNumber, Xattrs } from '../../objects/index.ts'
import { DeltaPart, DeltaPayload, OPEN_SPLICE_AND_CLOSE, pushVaruint, UNCOMPRESSED } from './format.ts'

export class DeltaPartBuilder {
  readonly #names: Uint8Array[] = []
  readonly #blob: Uint8Array[] = []
  readonly #operations: number[] = []
  readonly #modes = new Numbered<{ uid: number; gid: number; mode: number }>()
  readonly #xattrs = new Numbered<Xattrs>()
  #blobSize = 0
  #unpacked = 0

  get count(): number {
    return this.#names.length
  }

  /** Bytes of the objects: of metadata all, of files their content. */
  get unpacked(): number {
    return this.#unpacked
  }

  /** Keeps `bytes`. */
  addMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): void {
    this.#open(type, checksum)
    this.#splice(bytes)
    this.#unpacked += bytes.length
  }

  /** Keeps `content`. */
  addFile(checksum: Checksum, header: FileHeader, content: Uint8Array): void {
    this.#open('file', checksum)
    const { uid, gid, mode, xattrs } = header
    pushVaruint(this.#operations, this.#modes.numberOf(`${uid},${gid},${mode}`, { uid, gid, mode }))
    pushVaruint(this.#operations, this.#xattrs.numberOf(String(Xattrs.encode(xattrs)), xattrs))
    this.#splice(isSymlink(header) ? encodeUtf8(header.target) : content)
    this.#unpacked += content.length
  }

  #open(type: MetaType | 'file', checksum: Checksum): void {
    this.#names.push(Uint8Array.of(objectTypeNumber(type), ...fromHex(checksum)))
    this.#operations.push(OPEN_SPLICE_AND_CLOSE)
  }

  #splice(bytes: Uint8Array): void {
    pushVaruint(this.#operations, bytes.length)
    pushVaruint(this.#operations, this.#blobSize)
    this.#blob.push(bytes)
    this.#blobSize += bytes.length
  }

  /** The file, and the names of the objects it makes, 33 bytes each. */
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

/** Values, each once: most files have the owner, mode and xattrs of many others. */
class Numbered<T> {
  readonly values: T[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(key: string, value: T): number {
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.values.push(value) - 1
      this.#numbers.set(key, number)
    }
    return number
  }
}
