/** Objects written with the codecs, checked by ostree. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Checksum, concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import {
  Commit,
  checksumFile,
  DirMeta,
  DirTree,
  decodeFilezHeader,
  encodeFilezHeader,
  type FileHeader,
  isCanonical,
  isChecksum,
  isSymlink,
  loosePath,
  type MetaType,
  parseLoosePath,
  S_IFREG,
  sortXattrs,
  validateCommit,
  validateDirMeta,
  validateDirTree,
  verifyFile,
  type Xattrs,
} from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import {
  anyBrokenCommit,
  anyBrokenDirMeta,
  anyBrokenDirTree,
  anyDirMeta,
  anyDirTree,
  anyFile,
} from '../../src/testing/arbitraries/objects.ts'
import { isRoot } from '../support/machine.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const scratch = temporaryFolder('disk')

/** Generates an owner: any if the tests run as root, else that of the process. */
const anyOwner = isRoot ? fc.integer({ min: 0, max: 70_000 }) : fc.constant(process.getuid?.() ?? 0)

const anyDiskXattrs: fc.Arbitrary<Xattrs> = fc
  .uniqueArray(
    fc.tuple(fc.stringMatching(/^user\.[a-zA-Z0-9_.]{1,8}$/), fc.uint8Array({ minLength: 1, maxLength: 20 })),
    { selector: ([name]) => name, maxLength: 3 },
  )
  .map((xattrs) => sortXattrs(xattrs.map(([name, value]) => [encodeUtf8(name), value])))

describeReference(['ostree', 'getfattr'], 'checksumFile and `ostree checksum`', () => {
  test('a regular file of any owner, mode, xattrs and content has the same checksum', () => {
    const path = join(scratch, 'file')
    fc.assert(
      fc.property(
        anyOwner,
        anyOwner,
        fc.integer({ min: 0, max: 0o7777 }),
        anyDiskXattrs,
        fc.uint8Array({ maxLength: 3000 }),
        (uid, gid, permissions, xattrs, body) => {
          rmSync(path, { force: true })
          writeFileSync(path, body)
          for (const [name, value] of xattrs) {
            const hex = `0x${Buffer.from(value).toString('hex')}`
            run('setfattr', ['-n', new TextDecoder().decode(name), '-v', hex, path])
          }
          chownSync(path, uid, gid)
          const mode = isRoot ? permissions : permissions | 0o400
          chmodSync(path, mode)
          const header: FileHeader = { uid, gid, mode: S_IFREG | mode, target: '', xattrs }
          expect(run('ostree', ['checksum', path]).trim()).toBe(checksumFile(nodePlatform, header, body))
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a symbolic link has the same checksum', () => {
    const path = join(scratch, 'link')
    const targets = ['a', '/etc/passwd', '../..', 'ünï 日本語', 'x'.repeat(4000)]
    for (const target of targets) {
      rmSync(path, { force: true })
      symlinkSync(target, path)
      const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
      const header: FileHeader = { ...owner, mode: 0o120777, target, xattrs: [] }
      expect(run('ostree', ['checksum', path]).trim()).toBe(checksumFile(nodePlatform, header, new Uint8Array(0)))
    }
  })
})

describeReference('ostree', 'object codecs and `ostree fsck`', () => {
  const sound: DirMeta = { uid: 0, gid: 0, mode: 0o40755, xattrs: [] }
  const empty: DirTree = { files: [], dirs: [] }
  let count = 0

  /** An archive repository to which objects are written one by one. */
  class HandMade {
    readonly path = join(scratch, `repo${count++}`)

    constructor() {
      run('ostree', ['init', `--repo=${this.path}`, '--mode=archive'])
    }

    #write(path: string, bytes: Uint8Array): void {
      mkdirSync(dirname(join(this.path, path)), { recursive: true })
      writeFileSync(join(this.path, path), bytes)
    }

    meta(type: MetaType, bytes: Uint8Array): Checksum {
      const checksum = nodePlatform.sha256(bytes)
      this.#write(loosePath({ checksum, type }, true), bytes)
      return checksum
    }

    file(header: FileHeader, body: Uint8Array): Checksum {
      const checksum = checksumFile(nodePlatform, header, body)
      const packed = isSymlink(header) ? new Uint8Array(0) : nodePlatform.deflateRaw(body, 6)
      const filez = concatBytes([encodeFilezHeader({ header, size: body.length }), packed])
      this.#write(loosePath({ checksum, type: 'file' }, true), filez)
      return checksum
    }

    /** Writes a commit and a ref. @param changed a commit to write in place of a valid one */
    commit(tree: DirTree, meta: DirMeta = sound, changed?: Commit): void {
      const rootTree = this.meta('dirtree', DirTree.encode(tree))
      const rootMeta = this.meta('dirmeta', DirMeta.encode(meta))
      const commit = { metadata: [], parent: undefined, related: [], subject: 's', body: '', timestamp: 1n }
      const checksum = this.meta('commit', Commit.encode(changed ?? { ...commit, rootTree, rootMeta }))
      this.#write('refs/heads/main', encodeUtf8(`${checksum}\n`))
    }

    fsck(): { status: number | null; stderr: string } {
      const { status, stderr } = spawnSync('ostree', ['fsck', `--repo=${this.path}`])
      return { status, stderr: stderr.toString() }
    }
  }

  test('ostree accepts trees, files and links that the codecs encode', () => {
    fc.assert(
      fc.property(anyDirTree, anyDirMeta, fc.array(anyFile, { minLength: 1, maxLength: 4 }), (shape, meta, files) => {
        const repo = new HandMade()
        const checksums = files.map(({ header, body }) => repo.file(header, body))
        const leafTree = repo.meta('dirtree', DirTree.encode({ files: [], dirs: [] }))
        const leafMeta = repo.meta('dirmeta', DirMeta.encode(meta))
        repo.commit(
          {
            files: shape.files.map(({ name }, i) => ({ name, checksum: checksums[i % files.length] as Checksum })),
            dirs: shape.dirs.map(({ name }) => ({ name, tree: leafTree, meta: leafMeta })),
          },
          meta,
        )
        expect(repo.fsck()).toMatchObject({ status: 0 })
      }),
      { numRuns: 25 },
    )
  })

  test('ostree reports the fault of a broken tree that validateDirTree reports', () => {
    fc.assert(
      fc.property(anyBrokenDirTree, ({ value, message }) => {
        fc.pre(message !== 'Invalid empty filename')
        const repo = new HandMade()
        // All objects that are referred to must exist, because ostree reports missing ones first.
        const leafTree = repo.meta('dirtree', DirTree.encode(empty))
        const leafMeta = repo.meta('dirmeta', DirMeta.encode(sound))
        const tree: DirTree = {
          files: value.files,
          dirs: value.dirs.map(({ name, tree, meta }) => ({
            name,
            tree: isChecksum(tree) ? leafTree : tree,
            meta: isChecksum(meta) ? leafMeta : meta,
          })),
        }
        repo.commit(tree)
        expect(repo.fsck().stderr).toContain(message)
        expect(() => validateDirTree(DirTree.encode(tree))).toThrow(message)
      }),
      { numRuns: 25 },
    )
  })

  test('ostree accepts an empty name, which validateDirTree refuses', () => {
    const repo = new HandMade()
    const checksum = repo.file({ uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }, encodeUtf8('x'))
    const tree = { files: [{ name: '', checksum }], dirs: [] }
    repo.commit(tree)
    expect(repo.fsck().status).toBe(0)
    expect(() => validateDirTree(DirTree.encode(tree))).toThrow('Invalid empty filename')
  })

  test('ostree reports the fault of broken directory metadata that validateDirMeta reports', () => {
    fc.assert(
      fc.property(anyBrokenDirMeta, ({ value, message }) => {
        // Only later versions of ostree check the names of extended attributes.
        fc.pre(message.includes('mode'))
        const repo = new HandMade()
        repo.commit(empty, value)
        expect(repo.fsck().stderr).toContain(message)
        expect(() => validateDirMeta(DirMeta.encode(value))).toThrow(message)
      }),
      { numRuns: 25 },
    )
  })

  test('ostree reports the fault of a broken commit that validateCommit reports', () => {
    fc.assert(
      fc.property(anyBrokenCommit, ({ value, message }) => {
        const repo = new HandMade()
        repo.commit(empty, sound, value)
        // Older versions of ostree do not name the invalid checksum.
        expect(repo.fsck().stderr).toContain(message.replace(/^Invalid commit [a-z ]+: /, ''))
        expect(() => validateCommit(Commit.encode(value))).toThrow(message)
      }),
      { numRuns: 25 },
    )
  })
})

describeReference(['ostree', 'python3'], 'verifyFile and `ostree commit --tree=tar`', () => {
  test('files with the same xattrs in two orders verify', () => {
    const tar = join(scratch, 'order.tar')
    const script = `
import tarfile, io, sys
with tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT) as t:
    d = tarfile.TarInfo('.'); d.type = tarfile.DIRTYPE; d.mode = 0o755; t.addfile(d)
    for name, order in (('up', 'az'), ('down', 'za')):
        f = tarfile.TarInfo(name); f.size = 1
        f.pax_headers = {'SCHILY.xattr.user.' + c: c * 2 for c in order}
        t.addfile(f, io.BytesIO(b'x'))
`
    run('python3', ['-c', script, tar])
    const path = join(scratch, 'order')
    run('ostree', ['init', `--repo=${path}`, '--mode=archive'])
    run('ostree', ['commit', `--repo=${path}`, '-b', 'main', `--tree=tar=${tar}`])
    let unsorted = 0
    let seen = 0
    for (const folder of readdirSync(join(path, 'objects'))) {
      for (const file of readdirSync(join(path, 'objects', folder))) {
        const name = parseLoosePath(`${folder}/${file}`)
        if (name?.type !== 'file') continue
        const bytes = new Uint8Array(readFileSync(join(path, 'objects', folder, file)))
        const { info, bodyOffset } = decodeFilezHeader(bytes)
        const body = nodePlatform.inflateRaw(bytes.subarray(bodyOffset), info.size)
        verifyFile(nodePlatform, info.header, body, name.checksum)
        expect(info.header.xattrs.length).toBe(2)
        if (!isCanonical(info.header.xattrs)) unsorted++
        seen++
      }
    }
    // Versions of ostree before 2024.10 store the two files as two objects, one of them with unsorted xattrs.
    expect([seen, unsorted]).toEqual(seen === 2 ? [2, 1] : [1, 0])
  })
})
