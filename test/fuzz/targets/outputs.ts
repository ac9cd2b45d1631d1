/** What is written of untrusted input: directories, which must stay within their folder, and images of composefs. */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Checksum, concatBytes } from '../../../src/bytes.ts'
import {
  checkXattrs,
  type DirectoryNode,
  dumpImage,
  type ImageNode,
  layOut,
  type NodeEntry,
  type NodeXattr,
  writeImage,
} from '../../../src/composefs/index.ts'
import { unpackImage } from '../../../src/front/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { buildImage } from '../../../src/testing/index.ts'
import { header, padded, zeros } from '../../tar/odd-archives.ts'
import { type FuzzTarget, orTyped, rule, texts } from '../target.ts'
import { sealTar, TARS } from './tar.ts'

/** Archives that try to write beside the directory, or through a link out of it. */
const ESCAPES: readonly Uint8Array[] = [
  [header('ustar', { name: '../outside/f', size: 1 }), padded('x')],
  [header('ustar', { name: '/outside/f', size: 1 }), padded('x')],
  [
    header('ustar', { name: 'l', flag: '2', link: '../outside' }),
    header('ustar', { name: 'l/f', size: 1 }),
    padded('x'),
  ],
  [
    header('ustar', { name: 'l', flag: '2', link: '../outside/f' }),
    header('ustar', { name: 'l', size: 1 }),
    padded('x'),
  ],
  [
    header('ustar', { name: 'h', flag: '1', link: '../outside/kept' }),
    header('ustar', { name: 'h', size: 1 }),
    padded('x'),
  ],
  [
    header('ustar', { name: 'l', flag: '2', link: '../outside' }),
    header('ustar', { name: 'h', flag: '1', link: 'l/kept' }),
  ],
  [header('ustar', { name: 'l', flag: '2', link: '../outside' }), header('ustar', { name: 'l/.wh.kept' })],
  [
    header('ustar', { name: 'l', flag: '2', link: '../outside' }),
    header('ustar', { name: 'l', flag: '5' }),
    header('ustar', { name: 'l/.wh..wh..opq' }),
  ],
  [header('ustar', { name: '.wh...' }), header('ustar', { name: 'a/.wh...' })],
].map((parts) => concatBytes([...parts, zeros]))

/** A folder with the image, the target and a neighbour, which must not change. It is made for the first input. */
class Place {
  #folder: string | undefined

  get folder(): string {
    if (this.#folder === undefined) {
      this.#folder = mkdtempSync(join(tmpdir(), 'fuzz-'))
      mkdirSync(join(this.#folder, 'outside'))
      writeFileSync(join(this.#folder, 'outside', 'kept'), 'kept', { mode: 0o600 })
    }
    return this.#folder
  }

  /** Describes all but the image and the target. */
  neighbours(): string {
    const names = readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
    return names
      .filter((name) => !/^(?:image|target)(?:\/|$)/.test(name))
      .map((name) => {
        const { mode, size, nlink, mtimeMs, uid } = lstatSync(join(this.folder, name))
        return `${name} ${mode} ${size} ${nlink} ${mtimeMs} ${uid}`
      })
      .join('\n')
  }

  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
    this.#folder = undefined
  }
}
const place = new Place()

async function unpack(tar: Uint8Array): Promise<void> {
  const image = join(place.folder, 'image')
  const target = join(place.folder, 'target')
  rmSync(image, { recursive: true, force: true })
  rmSync(target, { recursive: true, force: true })
  for (const [path, bytes] of buildImage(nodePlatform, [{ tar }], { tag: 'x' })) {
    mkdirSync(dirname(join(image, path)), { recursive: true })
    writeFileSync(join(image, path), bytes)
  }
  const before = place.neighbours()
  try {
    await unpackImage(`oci:${image}:x`, target, { rootless: true })
  } finally {
    const after = place.neighbours()
    rule(after === before, `outside of the target: ${after} in place of ${before}`)
  }
}

/** Builds a tree from bytes, each of which decides what comes next. */
class TreeReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  directory(depth: number): DirectoryNode {
    const entries = new Map<string, NodeEntry>()
    for (let count = this.#byte() % 12; count > 0 && this.#at < this.#bytes.length; count--) {
      const name = this.#text()
      if (name.length === 0 || name.includes(0x2f) || name.includes(0)) continue
      entries.set(Buffer.from(name).toString('latin1'), { name, node: this.#node(depth) })
    }
    return { kind: 'directory', ...this.#attributes(0o040000), entries: [...entries.values()] }
  }

  #node(depth: number): ImageNode {
    const kind = this.#byte() % 3
    if (kind === 0 && depth < 8) return this.directory(depth + 1)
    if (kind === 1) return { kind: 'link', ...this.#attributes(0o120000), target: this.#text() }
    const digest = this.#byte() % 2 === 0 ? undefined : (nodePlatform.sha256(this.#text()) as Checksum)
    const size = this.#byte() * 256 ** (this.#byte() % 7)
    return { kind: 'file', ...this.#attributes(0o100000), size, backing: `ab/${'cd'.repeat(31)}.file`, digest }
  }

  #attributes(type: number): { mode: number; uid: number; gid: number; xattrs: readonly NodeXattr[] } {
    const xattrs: NodeXattr[] = []
    for (let count = this.#byte() % 4; count > 0; count--) xattrs.push([this.#text(), this.#text()])
    const mode = type | (this.#byte() * 16)
    return { mode, uid: this.#byte() * 2 ** 24, gid: this.#byte(), xattrs: orTyped(() => checkXattrs(xattrs)) ?? [] }
  }

  #byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  #text(): Uint8Array {
    const length = this.#byte()
    const bytes = this.#bytes.slice(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }
}

const TREES = [
  ...texts('\x02\x03abc\x00\x01\x02de\x01\x01\x06user.a\x02xx', '\x05\x01a\x02\x00\x07\x00\x01\x01b\x01\x00\x04/etc'),
  Uint8Array.from({ length: 600 }, (_, i) => (i * 37) % 251),
]

export const OUTPUT_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'image that is unpacked into a directory',
    share: 0.05,
    seeds: [...ESCAPES, ...TARS.slice(0, 40)],
    seal: sealTar,
    run: unpack,
    end: () => place.remove(),
  },
  {
    name: 'composefs image',
    share: 0.5,
    seeds: TREES,
    run(input) {
      const layout = layOut(new TreeReader(input).directory(0))
      if (layout.size > 1 << 24) return
      let size = 0
      for (const piece of writeImage(layout)) size += piece.length
      rule(size === layout.size, `${size} bytes in place of ${layout.size}`)
      for (const line of dumpImage(layout)) rule(!line.slice(0, -1).includes('\n'), 'a line break in a line')
    },
  },
]
