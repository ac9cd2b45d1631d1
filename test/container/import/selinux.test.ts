import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, displayUtf8, encodeUtf8 } from '../../../src/bytes.ts'
import { LocalLayerThreads } from '../../../src/container/import/lanes/local-layer-threads.ts'
import {
  countLayerReferences,
  type ImportOptions,
  parseImageReference,
  pullImage,
  queryImage,
  refForLayer,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import { FormatError, UnsupportedError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  commitRoot,
  createMemoryStorage,
  findSePolicy,
  labelTree,
  MutableTree,
  Repo,
  type RepoMode,
  readDirMeta,
  walkTree,
  writeTree,
} from '../../../src/repo/index.ts'
import { TarWriter } from '../../../src/tar/index.ts'
import { type Directory, directory, file, storeCommit, storeTree, symlink } from '../../../src/testing/index.ts'
import { threadProgram } from '../../support/bundle.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers } from '../golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const CONFIG = '# x\nSELINUX=enforcing\nSELINUXTYPE=targeted \n'
const CONTEXTS = [
  '/.*\tu:default',
  '/usr/.*\tu:usr',
  '/usr/bin/.*\t--\tu:bin',
  '/usr/etc/.*\tu:usr-etc',
  '/usr/none(/.*)?\t<<none>>',
  '/mnt\tu:mnt',
].join('\n')
const POLICY = {
  config: CONFIG,
  'targeted/contexts/files/file_contexts': CONTEXTS,
  'targeted/policy/policy.9': 'nine',
  'targeted/policy/policy.31': 'thirty-one',
  'targeted/policy/policy.x': '',
}

function memory(mode: RepoMode = 'bare-user'): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)
}

/** Creates a tree of files given by path. */
function treeOf(files: Readonly<Record<string, string>>): Directory {
  const names = new Map<string, Record<string, string>>()
  for (const [path, content] of Object.entries(files)) {
    const slash = path.indexOf('/')
    const name = slash < 0 ? path : path.slice(0, slash)
    names.set(name, { ...names.get(name), [slash < 0 ? '' : path.slice(slash + 1)]: content })
  }
  const children = Array.from(names, ([name, below]) => [name, '' in below ? file(below['']) : treeOf(below)] as const)
  return directory(Object.fromEntries(children))
}

const under = (folder: string, files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [`${folder}/${path}`, content]))

function layer(files: Readonly<Record<string, string>>, links: Readonly<Record<string, string>> = {}): Uint8Array {
  const writer = new TarWriter()
  const parts = Object.entries(files).flatMap(([path, content]) => {
    const body = encodeUtf8(content)
    return [writer.header({ path }, body.length), body, writer.padding(body.length)]
  })
  const symlinks = Object.entries(links).map(([path, linkPath]) => writer.header({ path, type: 'symlink', linkPath }))
  return gzipSync(concatBytes([...parts, ...symlinks, writer.end()]))
}

/** Returns the labels by path, `undefined` for entries without one. */
async function labels(repo: Repo, commit: Checksum): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {}
  for await (const entry of walkTree(repo.objects, await commitRoot(repo.objects, commit))) {
    const xattrs =
      entry.kind === 'directory'
        ? (await readDirMeta(repo.objects, entry.meta)).xattrs
        : (await repo.objects.statFile(entry.checksum)).header.xattrs
    const label = xattrs.find(([name]) => displayUtf8(name) === 'security.selinux')?.[1]
    found[entry.path] = label && displayUtf8(label).replace('\0', '$')
  }
  return found
}

async function find(files: Readonly<Record<string, string>>) {
  const repo = await memory()
  return findSePolicy(repo.objects, await repo.transaction((tx) => storeTree(tx, treeOf(files))))
}

describe('the policy of a tree', () => {
  test.each([
    [CONFIG, 'targeted'],
    ['SELINUX=permissive\nSELINUXTYPE=targeted', 'targeted'],
    ['SELINUX=PERMISSIVE\nSELINUXTYPE=nope\nSELINUXTYPE=targeted', 'targeted'],
    ['SELINUX=disabled\nSELINUXTYPE=targeted', undefined],
    ['#SELINUX=enforcing\nSELINUXTYPE=targeted', undefined],
    ['SELINUX=enforcing\n', undefined],
    ['', undefined],
  ])('for the config %j the name of the policy is %j', async (config, name) => {
    for (const folder of ['etc/selinux', 'usr/etc/selinux']) {
      expect((await find(under(folder, { ...POLICY, config })))?.name).toBe(name)
    }
  })

  test('the policy is that of /etc/selinux if it exists, even without a config', async () => {
    expect(await find({ ...under('usr/etc/selinux', POLICY), 'etc/selinux/x': '' })).toBeUndefined()
    expect(await find({})).toBeUndefined()
  })

  test('the policy has labels, and the checksum of the newest binary policy', async () => {
    const policy = await find(under('etc/selinux', POLICY))
    expect(policy?.label('/usr/bin/sh', 0o100755)).toBe('u:bin')
    expect(policy?.label('/usr/bin/sh', 0o120777)).toBe('u:usr')
    expect(policy?.label('/usr/none/x', 0o100755)).toBeUndefined()
    expect(policy?.label('/proc', 0o040755)).toBe('u:mnt')
    expect(await policy?.checksum(nodePlatform)).toBe(nodePlatform.sha256(encodeUtf8('thirty-one')))
  })

  const { 'targeted/contexts/files/file_contexts': _, ...bare } = POLICY
  test.each<[string, Record<string, string>, typeof FormatError | typeof UnsupportedError, string]>([
    [
      'without file contexts',
      bare,
      FormatError,
      "With policy root '/usr/etc/selinux/targeted': selabel_open(SELABEL_CTX_FILE): No such file or directory",
    ],
    [
      'with only compiled file contexts',
      { ...bare, 'targeted/contexts/files/file_contexts.bin': 'x' },
      UnsupportedError,
      "With policy root '/usr/etc/selinux/targeted': contexts/files/file_contexts exists only in compiled form, which is not supported",
    ],
    [
      'without a label for the root',
      { ...POLICY, 'targeted/contexts/files/file_contexts': '/a\tx' },
      FormatError,
      "With policy root '/usr/etc/selinux/targeted': Failed to look up context of /: No such file or directory",
    ],
    [
      'without a binary policy',
      { config: CONFIG, 'targeted/contexts/files/file_contexts': CONTEXTS },
      FormatError,
      'While calculating SELinux checksum: Could not find binary policy file',
    ],
  ])('a policy %s is an error', async (_, files, kind, message) => {
    const error: unknown = await find(under('usr/etc/selinux', files)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(String(error)).toContain(message)
  })
})

describe('labelling a tree', () => {
  test('labelling replaces labels, keeps other attributes, and keeps labels for which the policy has none', async () => {
    const old = (value: string, name = 'security.selinux') => [encodeUtf8(name), encodeUtf8(value)] as const
    const repo = await memory('bare')
    const tree = directory({
      usr: directory({
        bin: directory({
          sh: file('x', { xattrs: [old('c', 'security.capability'), old('old')] }),
          link: symlink('sh'),
        }),
        none: file('', { xattrs: [old('kept')] }),
      }),
    })
    const root = await repo.transaction(async (tx) => {
      const policy = await findSePolicy(tx, await storeTree(tx, treeOf(under('etc/selinux', POLICY))))
      const labelled = MutableTree.from(tx, await storeTree(tx, tree))
      if (policy !== undefined) await labelTree(tx, labelled, policy)
      const once = await writeTree(tx, labelled)
      if (policy !== undefined) await labelTree(tx, labelled, policy)
      expect(await writeTree(tx, labelled)).toEqual(once)
      const { files } = (labelled.dirs.get('usr')?.dirs.get('bin') as MutableTree) ?? {}
      const { header } = await tx.statFile(files.get('sh') as Checksum)
      expect(header.xattrs.map(([name]) => displayUtf8(name))).toEqual(['security.capability', 'security.selinux'])
      return once
    })
    const found: Record<string, string | undefined> = {}
    for await (const entry of walkTree(repo.objects, { kind: 'directory', path: '/', ...root })) {
      if (entry.kind === 'directory') continue
      const { header } = await repo.objects.statFile(entry.checksum)
      found[entry.path] = displayUtf8(header.xattrs.at(-1)?.[1] ?? new Uint8Array())
    }
    expect(found).toEqual({ '/usr/bin/link': 'u:usr\0', '/usr/bin/sh': 'u:bin\0', '/usr/none': 'kept' })
  })
})

describe('an image with a policy', () => {
  const PLAIN = goldenImage('container/oci-nonostree.tar.gz')
  const IMAGE = parseImageReference('oci:/image:1')
  const files = { ...under('etc/selinux', POLICY), 'usr/bin/sh': 'x', 'usr/none/x': 'y' }
  const image = (...more: Uint8Array[]) => withLayers(PLAIN, [layer(files, { 'usr/bin/link': 'sh' }), ...more])

  function pull(repo: Repo, source: GoldenImage, options: Partial<ImportOptions> = {}) {
    return pullImage(repo, 'ostree-unverified-image:oci:/image:1', { host: HOST, open: sourceOf(source), ...options })
  }

  test.each(['bare', 'bare-user', 'archive'] as const)(
    'an image in mode %s and its layers are labelled by its policy',
    async (mode) => {
      const repo = await memory(mode)
      const state = await pull(repo, image(layer({ 'usr/bin/two': '2' })))
      const merged = await labels(repo, state.mergeCommit)
      expect(merged).toMatchObject({
        '/': 'u:default$',
        '/usr/bin': 'u:usr$',
        '/usr/bin/sh': 'u:bin$',
        '/usr/bin/two': 'u:bin$',
        '/usr/bin/link': 'u:usr$',
        '/usr/none/x': undefined,
        '/usr/etc/selinux/config': 'u:usr-etc$',
      })
      const [, first, second] = state.manifest.layers
      for (const [descriptor, path] of [
        [first, '/usr/bin/sh'],
        [second, '/usr/bin/two'],
      ] as const) {
        const commit = await repo.resolve(descriptor === undefined ? '' : refForLayer(descriptor))
        expect((await labels(repo, commit as Checksum))[path]).toBe('u:bin$')
      }
      expect((await verifyContainerImage(repo, IMAGE, { state })).ok).toBe(true)
      expect(await pull(repo, image(layer({ 'usr/bin/two': '2' })))).toMatchObject({ changed: false })

      // Objects from before labelling were deleted: every remaining file is reachable.
      const sizes = new Set<string>()
      for await (const { checksum, type } of repo.objects.list('file')) sizes.add(`${checksum}.${type}`)
      const reached = new Set<string>()
      for (const commit of [
        state.mergeCommit,
        ...(await Promise.all(state.manifest.layers.map((l) => repo.resolve(refForLayer(l))))),
      ]) {
        for await (const entry of walkTree(repo.objects, await commitRoot(repo.objects, commit as Checksum))) {
          if (entry.kind === 'file') reached.add(`${entry.checksum}.file`)
        }
      }
      expect(sizes).toEqual(reached)
    },
  )

  test('an image is not labelled with noLabels', async () => {
    const repo = await memory()
    const { mergeCommit } = await pull(repo, image(), { noLabels: true })
    expect(new Set(Object.values(await labels(repo, mergeCommit)))).toEqual(new Set([undefined]))
  })

  test('a relabelled image without a ref is kept by the collection after its import', async () => {
    const repo = await memory()
    const state = await pull(repo, image(), { noImgref: true })
    expect((await labels(repo, state.mergeCommit))['/usr/bin/sh']).toBe('u:bin$')
    expect(await countLayerReferences(repo)).toBe(2)
  })

  test('an image whose policy cannot be read is not imported', async () => {
    const compiled = { ...under('etc/selinux', { config: CONFIG, 'targeted/contexts/files/file_contexts.bin': '' }) }
    const repo = await memory()
    const broken = withLayers(PLAIN, [layer(compiled)])
    await expect(pull(repo, broken)).rejects.toThrow(/^Importing: With policy root '\/usr\/etc\/selinux\/targeted': /)
    expect(await queryImage(repo, IMAGE)).toBeUndefined()
    expect((await pull(repo, broken, { noLabels: true })).changed).toBe(true)
  })

  test('layers of an image without a policy are labelled by the policy of sepolicyCommit', async () => {
    const repo = await memory('bare')
    const sepolicyCommit = await repo.transaction(async (tx) =>
      storeCommit(tx, treeOf(under('usr/etc/selinux', POLICY))),
    )
    const source = withLayers(PLAIN, [layer({ 'usr/bin/sh': 'x' })])
    const plain = await pull(repo, source)
    expect((await labels(repo, plain.mergeCommit))['/usr/bin/sh']).toBeUndefined()
    const other = await memory('bare')
    const commit = await other.transaction(async (tx) => storeCommit(tx, treeOf(under('usr/etc/selinux', POLICY))))
    expect(commit).toBe(sepolicyCommit)
    const state = await pull(other, source, { sepolicyCommit })
    expect((await labels(other, state.mergeCommit))['/usr/bin/sh']).toBe('u:bin$')

    // A thread that decodes the layers changes nothing.
    const third = await memory('bare')
    await third.transaction(async (tx) => storeCommit(tx, treeOf(under('usr/etc/selinux', POLICY))))
    const threads = new LocalLayerThreads({ count: 2, program: threadProgram('local-layer-worker'), after: 1 })
    const decoded = await pull(third, source, { sepolicyCommit, threads })
    expect(decoded.mergeCommit).toBe(state.mergeCommit)
  })

  test('an unreadable policy of sepolicyCommit stops the import before a layer is stored', async () => {
    const repo = await memory()
    const compiled = { config: CONFIG, 'targeted/contexts/files/file_contexts.bin': '' }
    const sepolicyCommit = await repo.transaction(async (tx) =>
      storeCommit(tx, treeOf(under('usr/etc/selinux', compiled))),
    )
    await expect(pull(repo, withLayers(PLAIN, [layer({ 'usr/x': '' })]), { sepolicyCommit })).rejects.toThrow(
      UnsupportedError,
    )
    expect(await countLayerReferences(repo)).toBe(0)
  })
})
