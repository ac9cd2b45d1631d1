import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, equalBytes } from '../../../../src/bytes.ts'
import {
  checksumFile,
  type FileHeader,
  type MetaType,
  parseLoosePath,
  S_IFLNK,
  S_IFMT,
  sortXattrs,
  type Xattr,
} from '../../../../src/objects/index.ts'
import type { RepoMode } from '../../../../src/repo/index.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { PLATFORMS } from '../../../support/backends.ts'
import { comparable, type RepoFile, readRepoFiles, writeRepoFiles } from '../../../support/disk.ts'
import { goldenJson } from '../../../support/golden.ts'
import { isRoot } from '../../../support/machine.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

interface RepoVector {
  readonly commit: Checksum
  readonly files: readonly RepoFile[]
}

interface FileVector {
  readonly path: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly symlink: string
  readonly xattrs_b64: Record<string, string>
  readonly content_b64: string
  readonly checksum: Checksum
}

const repos = goldenJson<Record<string, RepoVector>>('core/repo-modes.json')
const inputs = goldenJson<FileVector[]>('core/file-checksums.json')
const root = temporaryFolder()

/** Returns the files that ostree committed. For mode bare-user-only they have canonical permissions. */
function sourceFiles(mode: string): { header: FileHeader; body: Uint8Array; checksum: Checksum | undefined }[] {
  return inputs.map(({ uid, gid, mode: permissions, symlink, xattrs_b64, content_b64, checksum }) => {
    const body = new Uint8Array(Buffer.from(content_b64, 'base64'))
    if (mode === 'bare-user-only') {
      const link = (permissions & S_IFMT) === S_IFLNK
      const canonical = link ? permissions : permissions & (S_IFMT | 0o755)
      return { header: { uid: 0, gid: 0, mode: canonical, target: symlink, xattrs: [] }, body, checksum: undefined }
    }
    const xattrs = Object.entries(xattrs_b64)
      .map(([name, value]): Xattr => [encodeUtf8(name), new Uint8Array(Buffer.from(value, 'base64'))])
      .filter(([, value]) => value.length > 0)
    return { header: { uid, gid, mode: permissions, target: symlink, xattrs: sortXattrs(xattrs) }, body, checksum }
  })
}

/** Changes the owner of a file to that of this process, except for objects of mode bare, which have their own. */
function asOurs(mode: string, file: RepoFile): RepoFile {
  if (mode === 'bare' && file.path.startsWith('objects/')) return file
  return { ...file, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
}

const vectors = Object.entries(repos).flatMap(([mode, vector]) =>
  PLATFORMS.map((platform) => [mode, platform.name, { ...vector, platform }] as const),
)

describe.each(vectors)(
  'a repository directory of ostree, mode %s, platform %s',
  (mode, _, { commit, files, platform }) => {
    const possible = isRoot || mode !== 'bare'

    test.runIf(possible)(
      'the files that are written have the bytes, modes, owners, times, xattrs and targets of those of ostree',
      async () => {
        const path = join(root, `written-${mode}-${platform.name}`)
        const storage = await initFsStorage(path, { mode: mode as RepoMode, platform })
        const tx = await storage.begin()
        for (const { header, body, checksum } of sourceFiles(mode)) {
          const written = await tx.writeFile({ header, size: body.length, body }, checksum)
          if (checksum !== undefined) expect(written).toBe(checksum)
        }
        for (const { path: file, content_b64 = '' } of files) {
          const name = parseLoosePath(file.replace('objects/', ''))
          if (name === undefined || name.type === 'file') continue
          await tx.writeMeta(name.type as MetaType, new Uint8Array(Buffer.from(content_b64, 'base64')), name.checksum)
        }
        tx.setRef('heads/main', { commit })
        await tx.commit()
        await storage[Symbol.asyncDispose]()

        const expected = files.map((file) => comparable(asOurs(mode, file)))
        const byPath = (a: RepoFile, b: RepoFile) => (a.path < b.path ? -1 : 1)
        expect(readRepoFiles(path).sort(byPath).map(comparable)).toEqual(
          [...expected].sort((a, b) => byPath(a as RepoFile, b as RepoFile)),
        )
      },
    )

    test.runIf(possible)('the objects and refs of ostree are read', async () => {
      const path = join(root, `read-${mode}-${platform.name}`)
      mkdirSync(path)
      writeRepoFiles(path, files)
      const storage = await openFsStorage(path, { platform })
      expect(storage.mode).toBe(mode)
      expect(await storage.refs.list('heads')).toEqual(['heads/main'])
      expect(await storage.refs.read('heads/main')).toEqual({ commit })
      expect(await storage.objects.commitState(commit)).toBe('complete')

      const wanted = new Map(
        sourceFiles(mode).map((file) => [checksumFile(platform, file.header, file.body), file] as const),
      )
      let read = 0
      for await (const name of storage.objects.list()) {
        if (name.type === 'file') {
          const source = wanted.get(name.checksum)
          const { header, size, body } = await storage.objects.readFile(name.checksum)
          expect(header).toEqual(source?.header)
          expect(equalBytes(body as Uint8Array, source?.body as Uint8Array)).toBe(true)
          expect(size).toBe(source?.body.length)
          expect(await storage.objects.statFile(name.checksum)).toEqual({ header, size })
        } else {
          const bytes = await storage.objects.readMeta(name.type as MetaType, name.checksum)
          expect(platform.sha256(bytes)).toBe(name.checksum)
        }
        read++
      }
      expect(read).toBe(files.filter((file) => /^objects\/..\//.test(file.path)).length)
      await storage[Symbol.asyncDispose]()
    })
  },
)
