/**
 * What ostree 2026.4 printed and stored, compared with `ostree-ts`: commits in three modes, the objects of these
 * repositories, exports and composefs images of them, and what is done about a repository with malformed objects.
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
  // Sizes count the compressed files of the repository, which therefore have to be those of zlib from the first commit on.
  const exact = mode === 'archive' ? ['--exact-compression=yes'] : []

  test('is given the commits that ostree made', async () => {
    expect(others.length).toBeGreaterThan(3)
    const digests = others.filter(({ composefs_digest }) => composefs_digest !== undefined)
    expect(digests.length).toBeGreaterThan(1)
    for (const golden of others) {
      const { name, argv, checksum, commit_b64, show, metadata_keys, print_sizes, ls_RCX } = golden
      const [command = '', ...words] = [...argv, ...exact]
      expect([name, await succeed([command, repo, ...words])]).toEqual([name, `${checksum}\n`])
      const object = readFileSync(join(folder, mode, 'objects', checksum.slice(0, 2), `${checksum.slice(2)}.commit`))
      expect(object.toString('base64')).toBe(commit_b64)
      expect(await succeed(['show', repo, name])).toBe(show)
      expect(await succeed(['show', repo, '--list-metadata-keys', name])).toBe(metadata_keys)
      if (golden.composefs_digest !== undefined) {
        const key = '--print-metadata-key=ostree.composefs.digest.v0'
        expect(await succeed(['show', repo, '--print-hex', key, name])).toBe(`${golden.composefs_digest}\n`)
      }
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
    const golden = goldenJson<Record<string, Record<string, GoldenObject>>>('newest/objects.json')[mode] ?? {}
    const written = new Map(
      readdirSync(join(folder, mode, 'objects'), { recursive: true, encoding: 'utf8' })
        .map((name) => `objects/${name}`)
        .filter((path) => path.includes('.'))
        .map((path): [string, GoldenObject] => [path, describeObject(join(folder, mode, path), mode)]),
    )
    const known = new Set(others.map(({ checksum }) => `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.commit`))
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

  test('gives the composefs images that ostree writes', async () => {
    const images = goldenImages.filter(
      (image) => image.repo === mode && others.some(({ name }) => image.argv.includes(name)),
    )
    expect(images.length).toBeGreaterThan(1)
    for (const image of images) await expectImage(repo, image)
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

interface GoldenImage {
  readonly repo: string
  readonly argv: readonly string[]
  readonly commit: string
  readonly size: number
  readonly sha256: string
  readonly fsverity: string
  readonly dump?: string
}

const goldenImages = goldenJson<GoldenImage[]>('newest/composefs.json')

/** Writes an image with `checkout` and `composefs`, and compares bytes, digest and text. */
async function expectImage(repo: string, { argv, size, sha256: sum, fsverity, dump }: GoldenImage): Promise<void> {
  const [command = '', option = '', rev = '', name = ''] = argv
  await succeed([command, repo, option, rev, join(folder, name)])
  const bytes = readFileSync(join(folder, name))
  expect([argv, bytes.length, sha256(bytes)]).toEqual([argv, size, sum])
  const unbound = option === '--composefs-noverity' ? ['--noverity'] : []
  expect(await succeed(['composefs', 'digest', repo, ...unbound, rev])).toBe(`${fsverity}\n`)
  if (dump !== undefined) expect(await succeed(['composefs', 'dump', repo, ...unbound, rev])).toBe(dump)
}

describe('roots that lack directories, or have other things under their names', () => {
  const repo = '--repo=extra'

  beforeAll(async () => {
    await succeed(['init', repo, '--mode=archive'])
    for (const name of ['e1', 'e2', 'e3']) mkdirSync(join(folder, name))
    mkdirSync(join(folder, 'e2/usr'))
    writeFileSync(join(folder, 'e3/usr'), 'a file named usr\n')
    symlinkSync('x', join(folder, 'e3/etc'))
    mkdirSync(join(folder, 'e3/00'), { mode: 0o700 })
    writeFileSync(join(folder, 'e3/ff'), '')
    for (const name of ['e1', 'e2', 'e3']) {
      const owner = ['--owner-uid=0', '--owner-gid=0', '--no-xattrs']
      await succeed(['commit', repo, '--no-bindings', '--timestamp=@0', ...owner, '-b', name, `--tree=dir=${name}`])
    }
  })

  test('give the composefs images that ostree writes', async () => {
    const images = goldenImages.filter((image) => image.repo === 'extra')
    expect(images).toHaveLength(6)
    for (const image of images) {
      expect(await succeed(['rev-parse', repo, image.argv[2] ?? ''])).toBe(`${image.commit}\n`)
      await expectImage(repo, image)
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
