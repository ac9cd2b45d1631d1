/** Encapsulates ten thousand files that ostree committed, and passes the image through a registry and other programs. */
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  computeSizes,
  type EncapsulateOptions,
  encapsulate,
  exportImage,
  newChunking,
  type ObjectMetaSized,
  type ObjectSourceMeta,
  openDestination,
  openImage,
  parseImageReference,
  pullImage,
  transferImage,
  unencapsulate,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import type { Repo } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startRegistry, type TestRegistry } from '../registry/server.ts'
import { HOST } from './kit.ts'

const FILES = 10_000
const PER_DIRECTORY = 50

/** Writes packages of files: text, programs, hard and symbolic links, empty files, and one larger than a piece. */
function makeTree(root: string): void {
  for (let i = 0; i < FILES; i++) {
    const folder = join(root, 'usr/share', `package${Math.floor(i / 500)}`, `part${Math.floor(i / PER_DIRECTORY)}`)
    if (i % PER_DIRECTORY === 0) mkdirSync(folder, { recursive: true })
    const path = join(folder, `file ${i}`)
    if (i % 50 === 7) symlinkSync(`file ${i - 7}`, path)
    else if (i % 50 === 9) linkSync(join(folder, `file ${i - 9}`), path)
    else if (i % 50 === 11) writeFileSync(path, '')
    else writeFileSync(path, `${i % 900}\n`.repeat(1 + (i % 700)), { mode: i % 3 === 0 ? 0o755 : 0o644 })
  }
  mkdirSync(join(root, 'usr/bin'))
  mkdirSync(join(root, 'var/tmp'), { recursive: true, mode: 0o777 })
  const large = new Uint8Array((5 << 20) + 13)
  for (let i = 0, state = 1; i < large.length; i++) {
    state = (state * 48271) % 2147483647
    large[i] = state
  }
  writeFileSync(join(root, 'usr/bin/large'), large, { mode: 0o755 })
}

/** Lists type, permissions, link target and path of everything below a directory. */
function listed(root: string): string {
  // A hard link to a symbolic link may become a link of its own, so only its target is compared.
  const found = run('find', ['.', '-path', './sysroot', '-prune', '-o', '-printf', '%y %m %l %P\n'], { cwd: root })
  return found.split('\n').sort().join('\n')
}

async function componentsOf(repo: Repo, commit: Checksum): Promise<ObjectMetaSized> {
  const map = new Map<Checksum, string>()
  const set = new Map<string, ObjectSourceMeta>()
  for (const [checksum, { paths }] of (await newChunking(repo, commit)).remainder.content) {
    const name = paths[0]?.split('/')[3] ?? 'rest'
    map.set(checksum, name)
    set.set(name, { identifier: `${name}-1`, name, srcid: name, changeTimeOffset: 0, changeFrequency: name.length })
  }
  const byIdentifier = new Map([...set.values()].map((meta) => [meta.identifier, meta]))
  return await computeSizes(repo, {
    map: new Map([...map].map(([sum, name]) => [sum, `${name}-1`])),
    set: byIdentifier,
  })
}

describeReference(['ostree', 'skopeo', 'umoci', 'docker-registry'], 'a commit of ten thousand files', () => {
  const folder = temporaryFolder()
  const tree = join(folder, 'tree')
  const context = {
    platform: nodePlatform,
    files: nodeFiles,
    host: HOST,
    registry: { network: nodeNetwork({ environment: process.env }), insecure: true },
  }
  let registry: TestRegistry
  let repo: Repo
  let commit: Checksum

  beforeAll(async () => {
    makeTree(tree)
    run('ostree', ['init', '--mode=archive', `--repo=${folder}/repo`])
    const owner = ['--owner-uid=0', '--owner-gid=0', '--no-xattrs']
    run('ostree', ['commit', `--repo=${folder}/repo`, '-b', 'main', ...owner, `--tree=dir=${tree}`])
    repo = await openRepo(join(folder, 'repo'))
    commit = await repo.resolve('main')
    registry = await startRegistry()
  }, 300_000)

  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]()
    await repo?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(['in one layer', 'in chunks'])(
    'a commit encapsulated %s is read unchanged from a registry, by us and by other programs (case J1)',
    async (kind) => {
      const name = kind === 'in chunks' ? 'chunked' : 'single'
      const chunked = kind === 'in chunks' ? { packageContentmeta: await componentsOf(repo, commit), maxLayers: 8 } : {}
      const { files, host, registry: network } = context
      const options: EncapsulateOptions = { host, ...chunked, skipCompression: true }
      const to = `docker://${registry.host}/os:${name}`
      const digest = await encapsulate(repo, commit, {}, { ...options, files, registry: network }, to)

      // Read by us, by digest, into a repository that ostree then verifies.
      const archive = join(folder, `archive-${name}`)
      const back = await createRepo(archive, { mode: 'archive' })
      const image = await unencapsulate(back, `ostree-unverified-registry:${registry.host}/os@${digest}`, context)
      expect(image).toEqual({ commit, manifestDigest: digest })
      await back.setRef('main', commit)
      await back.close()
      expect(run('ostree', ['fsck', `--repo=${archive}`])).toContain('no errors found')

      // Read by skopeo and umoci.
      const layout = join(folder, `layout-${name}`)
      const source = ['--src-tls-verify=false', `docker://${registry.host}/os:${name}`]
      run('skopeo', ['--insecure-policy', 'copy', ...source, `oci:${layout}:x`])
      await using copied = await openImage(parseImageReference(`oci:${layout}:x`), context)
      expect(copied.manifestDigest).toBe(digest)
      const unpacked = join(folder, `unpacked-${name}`)
      run('umoci', ['raw', 'unpack', '--rootless', '--image', `${layout}:x`, unpacked])
      expect(listed(unpacked)).toBe(listed(tree))
      run('diff', ['-r', '--no-dereference', '--exclude=sysroot', tree, unpacked])
      rmSync(unpacked, { recursive: true })

      // Our copy of the image has the same blobs as skopeo's.
      const ours = join(folder, `ours-${name}`)
      await using from = await openImage(parseImageReference(`docker://${registry.host}/os:${name}`), context)
      await using copy = await openDestination(parseImageReference(`oci:${ours}:x`), context)
      expect(await transferImage(from, copy, context)).toBe(digest)
      run('diff', ['-r', join(layout, 'blobs'), join(ours, 'blobs')])
    },
    300_000,
  )

  test.each(['sqlite', 'archive'])(
    'a commit is unchanged after its image was stored in %s, exported and stored again',
    async (kind) => {
      const options = { ...context, registry: context.registry }
      const name = `docker://${registry.host}/os:chunked`
      const image = parseImageReference(name)
      const empty = async (which: string) => {
        const path = join(folder, `${kind}-${which}${kind === 'sqlite' ? '.sqlite' : ''}`)
        return await createRepo(path, { mode: kind === 'archive' ? 'archive' : 'bare-user' })
      }
      /** Imports a layout under the name that the image has in the registry. */
      const storedAgain = async (which: string, layout: string) => {
        const repo = await empty(which)
        const open = () => openImage(parseImageReference(`oci:${layout}:x`), context)
        return { repo, ...(await pullImage(repo, `ostree-unverified-image:${name}`, { ...options, open })) }
      }
      const writtenOut = async (from: Repo, which: string) => {
        const layout = join(folder, `${kind}-${which}`)
        mkdirSync(layout)
        return {
          layout,
          digest: await exportImage(from, image, `oci:${layout}:x`, { ...options, skipCompression: true }),
        }
      }

      await using first = await empty('first')
      const stored = await pullImage(first, `ostree-unverified-image:${name}`, options)
      expect(stored.baseCommit).toBe(commit)
      const out = await writtenOut(first, 'out')
      const again = await storedAgain('second', out.layout)
      await using second = again.repo
      expect(again.baseCommit).toBe(commit)
      const { rootTree, rootMeta } = await first.readCommit(stored.mergeCommit)
      expect(await second.readCommit(again.mergeCommit)).toMatchObject({ rootTree, rootMeta, parent: commit })

      if (kind === 'archive') {
        expect(run('ostree', ['fsck', `--repo=${folder}/archive-second`])).toContain('no errors found')
        return
      }
      // Further exports no longer change anything, including the manifest.
      const further = await writtenOut(second, 'further')
      expect(further.digest).toBe(out.digest)
      const last = await storedAgain('third', further.layout)
      await last.repo.close()
      expect(last.mergeCommit).toBe(again.mergeCommit)
      const unpacked = join(folder, `unpacked-${kind}`)
      run('umoci', ['raw', 'unpack', '--rootless', '--image', `${out.layout}:x`, unpacked])
      expect(listed(unpacked)).toBe(listed(tree))
      run('diff', ['-r', '--no-dereference', '--exclude=sysroot', tree, unpacked])
      rmSync(unpacked, { recursive: true })
    },
    300_000,
  )
})
