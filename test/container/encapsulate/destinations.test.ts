/** Images written to a disk, and read by us and by others. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import {
  type Digest,
  encapsulate,
  openDestination,
  openImage,
  openMemoryDestination,
  parseImageReference,
  unencapsulate,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { directory, file, storeCommit, symlink } from '../../../src/testing/index.ts'
import { PLATFORMS } from '../../support/backends.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { memoryRepo, once } from '../tar-kit.ts'
import { CHUNKED, fixtureRepo, GOLDEN, HOST } from './kit.ts'

const folder = temporaryFolder('disk')
let count = 0
const fresh = () => join(folder, String(count++))
const CONTEXT = { platform: nodePlatform, files: nodeFiles, host: HOST }
const OPTIONS = { ...CHUNKED, files: nodeFiles }

async function write(to: string): Promise<Digest> {
  return await encapsulate(await fixtureRepo(), GOLDEN.commit, {}, OPTIONS, to)
}

async function digestAt(reference: string): Promise<Digest> {
  await using image = await openImage(parseImageReference(reference), CONTEXT)
  return image.manifestDigest
}

describe('an encapsulated image on disk', () => {
  test.each(['oci', 'oci-archive', 'docker-archive'])(
    'an image written to %s has the returned digest (cases F3, F4)',
    async (transport) => {
      const path = fresh()
      const reference = `${transport}:${path}:latest`
      const digest = await write(reference)
      expect(await digestAt(reference)).toBe(digest)
      const repo = await memoryRepo()
      const image = await unencapsulate(repo, `ostree-unverified-image:${reference}`, CONTEXT)
      expect(image).toEqual({ commit: GOLDEN.commit, manifestDigest: digest })
      const others = readdirSync(folder).filter((name) => name.startsWith('.tmp'))
      expect(others).toEqual([])
      if (transport === 'oci') expect(readdirSync(path).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
    },
  )

  test('an image written to a directory replaces an image there, and nothing else', async () => {
    const path = fresh()
    const first = await write(`dir:${path}`)
    expect(await digestAt(`dir:${path}`)).toBe(first)
    writeFileSync(join(path, 'left'), '')
    expect(await write(`dir:${path}`)).toBe(first)
    expect(readdirSync(path).filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual(['manifest.json', 'version'])
    expect((await unencapsulate(await memoryRepo(), `ostree-unverified-image:dir:${path}`, CONTEXT)).commit).toBe(
      GOLDEN.commit,
    )
    const other = fresh()
    mkdirSync(other)
    writeFileSync(join(other, 'precious'), '')
    await expect(write(`dir:${other}`)).rejects.toMatchObject({ code: 'io' })
    writeFileSync(join(other, 'version'), '2.0')
    await expect(write(`dir:${other}`)).rejects.toThrow('exists already and is not an image directory')
    expect(statSync(path).mode & 0o7777).toBe(0o777 & ~process.umask())
    writeFileSync(join(folder, 'file'), '')
    await expect(write(`dir:${join(folder, 'file')}`)).rejects.toThrow('exists already and is not an image directory')
    expect(readdirSync(other)).toEqual(['precious', 'version'])
    expect(readdirSync(folder).filter((name) => name.startsWith('.tmp'))).toEqual([])
  })

  test('an image written to an OCI layout replaces the image with its tag and keeps the others', async () => {
    const path = fresh()
    const first = await write(`oci:${path}:a`)
    const second = await encapsulate(
      await fixtureRepo(),
      GOLDEN.commit,
      {},
      { ...OPTIONS, created: 'x' },
      `oci:${path}:b`,
    )
    expect(second).not.toBe(first)
    expect([await digestAt(`oci:${path}:a`), await digestAt(`oci:${path}:b`)]).toEqual([first, second])
    await write(`oci:${path}:b`)
    expect(await digestAt(`oci:${path}:b`)).toBe(first)
    await write(`oci:${path}`)
    expect(await digestAt(`oci:${path}`)).toBe(first)
    expect(JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')).manifests).toHaveLength(1)
  })

  test('writing an image creates its own directory, but not the parents', async () => {
    await expect(write(`oci:${fresh()}/below`)).rejects.toThrow(/^Creating /)
    const file = fresh()
    writeFileSync(file, '')
    await expect(write(`oci:${file}`)).rejects.toThrow(/^Creating /)
    const missing = openDestination(parseImageReference(`oci:${fresh()}`), CONTEXT, { create: false })
    await expect(missing).rejects.toThrow(/^Opening /)
  })

  test('an image whose encapsulation fails leaves no files', async () => {
    const path = fresh()
    const repo = await fixtureRepo()
    for await (const name of repo.objects.list('file')) await repo.objects.delete(name)
    await expect(encapsulate(repo, GOLDEN.commit, {}, OPTIONS, `oci:${path}:x`)).rejects.toThrow('Building oci')
    expect(readdirSync(path)).toEqual([])
    await expect(encapsulate(repo, GOLDEN.commit, {}, OPTIONS, `oci-archive:${path}.tar`)).rejects.toThrow(
      'Building oci',
    )
    expect(existsSync(`${path}.tar`)).toBe(false)
  })

  test('writing an image fails on an unreadable index.json and keeps it', async () => {
    const path = fresh()
    await write(`oci:${path}:a`)
    writeFileSync(join(path, 'index.json'), '{"manifests":')
    await expect(write(`oci:${path}:b`)).rejects.toThrow(/index\.json/)
    expect(readFileSync(join(path, 'index.json'), 'utf8')).toBe('{"manifests":')
  })

  test.each(['docker-daemon:x:latest', 'containers-storage:x'])('an image cannot be written to %s', async (to) => {
    await expect(write(to)).rejects.toThrow('cannot write to transport')
  })
})

describe('an image destination', () => {
  const bytes = encodeUtf8('content of a blob')
  const digest = `sha256:${nodePlatform.sha256(bytes)}` as Digest

  test('a destination stores a blob only if its digest and size are right', async () => {
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    const blob = { digest, size: bytes.length }
    expect(await to.hasBlob(blob)).toBe(false)
    await expect(to.putBlob(once(bytes), { digest: `sha256:${'0'.repeat(64)}` as Digest })).rejects.toThrow(
      'corrupted blob',
    )
    await expect(to.putBlob(once(bytes), { size: 3 })).rejects.toThrow('expected 3 bytes in blob')
    await expect(to.putBlob(once(bytes), { size: 300 })).rejects.toThrow('expected 300 bytes in blob')
    expect(files.size).toBe(0)
    expect(await to.putBlob(once(bytes), blob)).toEqual(blob)
    expect(await to.putBlob(once(bytes))).toEqual(blob)
    expect(await to.hasBlob(blob)).toBe(true)
  })

  test('a destination requires one manifest, of a type that it can store', async () => {
    await using to = openMemoryDestination(new Map(), undefined, nodePlatform)
    await expect(to.commit()).rejects.toThrow('needs a manifest')
    await expect(to.putManifest(bytes, { mediaType: 'text/plain' })).rejects.toThrow('cannot hold text/plain')
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    expect(await to.putManifest(bytes, { mediaType })).toBe(digest)
    await expect(to.putManifest(bytes, { mediaType })).rejects.toThrow('the image already has a manifest')
    expect(await to.commit()).toBe(digest)
  })
})

describeReference(['skopeo', 'umoci'], 'an encapsulated image, read by other programs', () => {
  test.each(['oci', 'oci-archive', 'dir'])(
    'skopeo inspects and copies an image in %s with the same digest',
    async (transport) => {
      const path = transport === 'dir' ? fresh() : `${fresh()}:latest`
      const digest = await write(`${transport}:${path}`)
      const inspected = JSON.parse(run('skopeo', ['inspect', `${transport}:${path}`]))
      expect(inspected.Digest).toBe(digest)
      expect(inspected.Labels['ostree.commit']).toBe(GOLDEN.commit)
      const copy = fresh()
      const policy = ['--insecure-policy']
      run('skopeo', [...policy, 'copy', `${transport}:${path}`, `oci:${copy}:latest`])
      expect(await digestAt(`oci:${copy}:latest`)).toBe(digest)
    },
  )

  test.each(PLATFORMS)(
    'skopeo decompresses the zstd layers of an image written by the platform $name',
    async (platform) => {
      const path = fresh()
      const options = { ...OPTIONS, compression: { kind: 'zstd' as const } }
      await encapsulate(await fixtureRepo('bare-user', platform), GOLDEN.commit, {}, options, `oci:${path}:latest`)
      const gzip = fresh()
      const compress = ['--dest-compress', '--dest-compress-format=gzip']
      run('skopeo', ['--insecure-policy', 'copy', ...compress, `oci:${path}:latest`, `oci:${gzip}:latest`])
      await using image = await openImage(parseImageReference(`oci:${gzip}:latest`), CONTEXT)
      for (const { mediaType } of image.manifest.layers) expect(mediaType).toMatch(/tar\+gzip$/)
      const { commit } = await unencapsulate(await memoryRepo(), `ostree-unverified-image:oci:${gzip}:latest`, CONTEXT)
      expect(commit).toBe(GOLDEN.commit)
    },
  )

  test('umoci unpacks an image to the files of the commit', async () => {
    const path = fresh()
    const repo = await memoryRepo()
    const shared = file('some words', { mode: 0o4750 })
    const long = 'n'.repeat(120)
    const tree = directory({
      usr: directory({
        bin: directory({ a: shared, b: shared, sh: symlink('a') }),
        etc: directory({ conf: file('x', { xattrs: [[encodeUtf8('user.k'), encodeUtf8('v')]] }) }),
        lib: directory({ empty: file(), large: file(new Uint8Array(3 << 20).fill(7)), [long]: file(long) }),
      }),
      var: directory({ tmp: directory({}, { mode: 0o1777 }) }),
    })
    const commit = await repo.transaction((tx) => storeCommit(tx, tree))
    await encapsulate(repo, commit, {}, { host: HOST, files: nodeFiles }, `oci:${path}:latest`)
    const to = fresh()
    run('umoci', ['raw', 'unpack', '--rootless', '--image', `${path}:latest`, to])
    const { ino, mode, nlink } = statSync(join(to, 'usr/bin/a'))
    expect([statSync(join(to, 'usr/bin/b')).ino, mode & 0o7777, nlink]).toEqual([ino, 0o4750, 3])
    expect(readlinkSync(join(to, 'usr/bin/sh'))).toBe('a')
    expect(readFileSync(join(to, 'etc/conf'), 'utf8')).toBe('x')
    expect(statSync(join(to, 'usr/lib/empty')).size).toBe(0)
    expect(statSync(join(to, 'usr/lib/large')).size).toBe(3 << 20)
    expect(readFileSync(join(to, 'usr/lib', long), 'utf8')).toBe(long)
    expect(statSync(join(to, 'var/tmp')).mode & 0o7777).toBe(0o1777)
    expect(readFileSync(join(to, 'sysroot/ostree/repo/config'), 'utf8')).toContain('bare-split-xattrs')
  })
})
