/**
 * What ostree 2026.4 printed and stored, compared with `ostree-ts`: commits in three modes, the objects of these
 * repositories, exports of them, and what is done about a repository with malformed objects. Commits with a digest of
 * composefs are left out.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { loadNative } from '../../src/system/native.ts'
import { goldenBytes, goldenJson, unpackGolden } from '../support/golden.ts'
import { type Outcome, runInProcess } from '../support/in-process.ts'
import { readTar } from '../support/read-tar.ts'
import { temporaryFolder } from '../support/temporary.ts'

interface GoldenCommit {
  readonly repo: string
  readonly name: string
  readonly argv: readonly string[]
  readonly checksum: string
  readonly commit_b64: string
  readonly show: string
  readonly metadata_keys: string
  readonly composefs_digest?: string
  readonly print_sizes?: string
  readonly ls_RCX?: string
}

interface GoldenObject {
  readonly size?: number
  readonly sha256?: string
  readonly mode?: string
  readonly link?: string
  readonly ostreemeta_hex?: string
}

interface GoldenRun {
  readonly argv: readonly string[]
  readonly rc: number
  readonly stdout: string
  readonly stderr: string
}

/** Files with a label and further xattrs, which ostree stores unsorted in an archive. */
const UNSORTED = [
  'objects/ee/53b31096875835538efe2963cdfd6f7c6ef97d7065795736e17b3091342c20.filez',
  'objects/b8/3a047857fc999f762cf72b5eeddce131009d6fe987cc730a711e45bb21bc18.filez',
]

const MODES = ['archive', 'bare-user', 'bare-user-only'] as const

const folder = temporaryFolder('disk')
const utf8 = new TextDecoder()
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const commits = goldenJson<GoldenCommit[]>('newest/commits.json')
const ofMode = (mode: string) => commits.filter(({ repo }) => repo === mode)

/** Runs a command with paths below the folder in place of the relative ones. */
async function run(words: readonly string[]): Promise<Outcome> {
  const absolute = words.map((word) =>
    word.replace(/^(--tree=(?:tar|dir)=|--selinux-policy=|--repo=)(?!\/)/, (start) => `${start}${folder}/`),
  )
  return runInProcess(absolute, folder)
}

async function succeed(words: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(words)
  expect({ words, status, stderr }).toEqual({ words, status: 0, stderr: '' })
  return stdout
}

/** Unpacks an archive with the user's owner and without the xattrs that only root may set. */
function unpack(archive: Uint8Array, into: string): void {
  const directories: [path: string, mode: number][] = []
  for (const { header, body } of readTar(archive)) {
    const path = join(into, utf8.decode(header.path))
    if (header.type === 'symlink') {
      symlinkSync(utf8.decode(header.linkPath), path)
      continue
    }
    if (header.type === 'directory') mkdirSync(path, { recursive: true })
    else writeFileSync(path, body)
    for (const { key, value } of header.pax) {
      const name = /^SCHILY\.xattr\.(user\..*)$/.exec(key)?.[1]
      if (name !== undefined) loadNative()?.setXattr(path, encodeUtf8(name), value)
    }
    if (header.type === 'directory') directories.push([path, header.mode])
    else chmodSync(path, header.mode)
  }
  for (const [path, mode] of directories.reverse()) chmodSync(path, mode)
}

beforeAll(async () => {
  for (const tree of ['tree-1', 'tree-2']) {
    writeFileSync(join(folder, `${tree}.tar`), gunzipSync(goldenBytes(`container-real/${tree}.tar.gz`)))
  }
  unpack(readFileSync(join(folder, 'tree-1.tar')), join(folder, 'dir-1'))
  unpackGolden('newest/policy.tar.gz', folder)
  for (const mode of MODES) await succeed(['init', `--repo=${mode}`, `--mode=${mode}`])
})

/** What `ls -X` prints, with the xattrs of each file in one order. */
function sortedXattrs(listing: string): string {
  return listing.replaceAll(/\[\((.*)\)\]/g, (_, list: string) => {
    // Only the first of several names says of what type the bytes of its value are.
    return `[(${list.replaceAll('[byte ', '[').split('), (').sort().join('), (')})]`
  })
}

/** Tells whether files get labels that the repository cannot store. ostree writes objects there that its fsck refuses. */
const losesLabels = ({ repo, argv }: GoldenCommit): boolean =>
  repo === 'bare-user-only' && argv.some((word) => word.startsWith('--selinux-policy'))

describe.each(MODES)('a repository of mode %s', (mode) => {
  const repo = `--repo=${mode}`
  const labelled = ofMode(mode).filter(losesLabels)
  const others = ofMode(mode).filter((commit) => !losesLabels(commit))
  const kept = others.filter(({ composefs_digest }) => composefs_digest === undefined)
  // Sizes count the compressed files of the repository, which therefore have to be those of zlib from the first commit on.
  const exact = mode === 'archive' ? ['--exact-compression=yes'] : []

  test('is given the commits that ostree made', async () => {
    expect(kept.length).toBeGreaterThan(3)
    for (const { name, argv, checksum, commit_b64, show, metadata_keys, print_sizes, ls_RCX } of kept) {
      const [command = '', ...words] = [...argv, ...exact]
      expect([name, await succeed([command, repo, ...words])]).toEqual([name, `${checksum}\n`])
      const object = readFileSync(join(folder, mode, 'objects', checksum.slice(0, 2), `${checksum.slice(2)}.commit`))
      expect(object.toString('base64')).toBe(commit_b64)
      expect(await succeed(['show', repo, name])).toBe(show)
      expect(await succeed(['show', repo, '--list-metadata-keys', name])).toBe(metadata_keys)
      if (print_sizes !== undefined) expect(await succeed(['show', repo, '--print-sizes', name])).toBe(print_sizes)
      // In an archive ostree stores a label behind the other xattrs, although the checksum has them sorted.
      const listing = ls_RCX && sortedXattrs(await succeed(['ls', repo, '-RCX', name]))
      expect(listing).toBe(ls_RCX && sortedXattrs(ls_RCX))
    }
  })

  test('refuses labels if it cannot store them', async () => {
    expect(labelled).toHaveLength(mode === 'bare-user-only' ? 2 : 0)
    for (const { argv } of labelled) {
      const [command = '', ...words] = argv
      expect(await run([command, repo, ...words])).toMatchObject({ status: 1, stdout: '' })
    }
  })

  test('has the objects that ostree wrote', async () => {
    for (const { argv, composefs_digest } of others) {
      const [command = '', ...words] = [...argv.filter((word) => word !== '--generate-composefs-metadata'), ...exact]
      if (composefs_digest !== undefined) await succeed([command, repo, ...words])
    }
    const golden = goldenJson<Record<string, Record<string, GoldenObject>>>('newest/objects.json')[mode] ?? {}
    const written = new Map(
      readdirSync(join(folder, mode, 'objects'), { recursive: true, encoding: 'utf8' })
        .map((name) => `objects/${name}`)
        .filter((path) => path.includes('.'))
        .map((path): [string, GoldenObject] => [path, describeObject(join(folder, mode, path), mode)]),
    )
    const known = new Set(kept.map(({ checksum }) => `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.commit`))
    const listings = labelled.map(({ ls_RCX }) => ls_RCX).join('')
    const expected = Object.entries(golden).filter(([path]) => {
      if (path.endsWith('.commit')) return known.has(path)
      return written.has(path) || !listings.includes(path.replace(/^objects\/|\..*$/g, '').replace('/', ''))
    })
    expect(expected.length).toBeGreaterThan(40)
    for (const [path, object] of expected) {
      // The header of these files has the label behind the other xattrs, see above.
      const unsorted = mode === 'archive' && UNSORTED.includes(path)
      expect([path, written.get(path)]).toEqual([path, unsorted ? { ...object, sha256: expect.any(String) } : object])
    }
    for (const path of written.keys()) if (!path.endsWith('.commit')) expect(golden).toHaveProperty([path])
  })

  test('is exported as by ostree', async () => {
    const exports = goldenJson<(GoldenRun & { repo: string; size: number; sha256: string })[]>('newest/exports.json')
    for (const { argv, size, sha256: expected } of exports.filter((item) => item.repo === mode)) {
      const tar = join(folder, `${mode}.tar`)
      const [command = '', ...words] = argv
      await succeed([command, repo, `--output=${tar}`, ...words])
      const bytes = readFileSync(tar)
      expect(bytes.length).toBeLessThanOrEqual(size)
      // A file is not padded to whole records of 10 KiB as standard output is.
      const padded = Buffer.concat([bytes, Buffer.alloc(size - bytes.length)])
      expect([argv, sha256(padded)]).toEqual([argv, expected])
    }
  })
})

function describeObject(path: string, mode: string): GoldenObject {
  const stat = lstatSync(path)
  if (stat.isSymbolicLink()) return { link: readlinkSync(path) }
  const meta =
    mode === 'bare-user' && path.endsWith('.file') ? loadNative()?.getXattr(path, 'user.ostreemeta') : undefined
  return {
    size: stat.size,
    sha256: sha256(readFileSync(path)),
    mode: (stat.mode & 0o7777).toString(8),
    ...(meta === undefined ? {} : { ostreemeta_hex: Buffer.from(meta).toString('hex') }),
  }
}

interface GoldenBad {
  readonly runs: readonly GoldenRun[]
  readonly fsck_after_pull_local: Omit<GoldenRun, 'argv'>
}

describe('a repository with malformed objects', () => {
  const golden = goldenJson<Record<string, GoldenBad>>('newest/bad-objects.json')
  const cases = Object.entries(golden).flatMap(([ref, { runs, fsck_after_pull_local: fsck }]) =>
    runs
      .filter(({ argv: [command] }) => command === 'pull-local')
      .map(({ argv, ...expected }) => ({ ref, argv, expected, fsck: argv.length === 3 ? fsck : undefined })),
  )
  let made = 0
  beforeAll(() => unpackGolden('newest/bad-repo.tar.gz', folder))

  /** Removes the progress of fsck, which ostree prints also if its output is not a terminal. */
  const withoutProgress = (text: string): string => text.replaceAll(/^fsck objects \(.*\n/gm, '')

  /**
   * Where the results differ: metadata that is not in normal form is refused here, as are files with two xattrs of one
   * name; files whose xattrs are not sorted are accepted, since older releases of ostree write them.
   */
  const OURS: Readonly<Record<string, string | undefined>> = {
    'commit-garbage': 'Not normal form',
    'tree-garbage': 'Not normal form',
    'file-duplicate': 'Duplicate xattr name, index=1',
    'file-unsorted': '',
  }

  test.each(cases)('$argv gives what ostree gives, or what is documented', async ({ ref, argv, expected, fsck }) => {
    const repo = `--repo=bad-${made++}`
    await succeed(['init', repo, '--mode=bare-user'])
    const [command = '', ...words] = argv.map((word) => (word === 'bad' ? join(folder, 'bad') : word))
    const { status, stdout, stderr } = await run([command, repo, ...words])
    const own = OURS[ref]
    if (own === undefined) expect({ rc: status, stdout, stderr }).toEqual(expected)
    else if (own !== '') expect(stderr.trimEnd().endsWith(own)).toBe(true)
    else expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    if (fsck === undefined || own !== undefined) return
    const after = await run(['fsck', repo, '--quiet'])
    expect({ rc: after.status, stdout: withoutProgress(after.stdout), stderr: after.stderr }).toEqual({
      ...fsck,
      stdout: withoutProgress(fsck.stdout),
    })
  })
})
