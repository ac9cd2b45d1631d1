/** Layers and archives of images whose last file has no padding. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { openImage, parseImageReference, pullImage } from '../../../src/container/index.ts'
import { filterTar } from '../../../src/container/internal.ts'
import { openStore, unpackImage } from '../../../src/node.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { buildDockerImage, buildImage, packFiles } from '../../../src/testing/index.ts'
import { run, testReference } from '../../support/reference.ts'
import { file, tarBytes } from '../../support/tar-bytes.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { collect, memoryRepo, once } from '../tar-kit.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const hostArchitecture = process.arch === 'x64' ? 'amd64' : process.arch
const folder = temporaryFolder()
const whole = tarBytes([file('usr/a', 'a'), file('usr/b', 'hello')])
/** The layer without the zero blocks at its end, and without the 507 bytes after `hello`. */
const unpadded = whole.subarray(0, whole.length - 1024 - 507)

async function pulledTree(image: string): Promise<string> {
  const repo = await memoryRepo()
  const context = { platform: nodePlatform, files: nodeFiles, host: HOST }
  const reference = parseImageReference(image)
  const { mergeCommit } = await pullImage(repo, `ostree-unverified-image:${image}`, {
    host: HOST,
    open: () => openImage(reference, context),
  })
  return (await repo.readCommit(mergeCommit)).rootTree
}

function written(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

/** Removes zeros at the end of an archive. */
function withoutZerosAtEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (bytes[end - 1] === 0) end--
  return bytes.subarray(0, end)
}

test('a layer without padding, in an archive without padding, gives the tree of the padded layer', async () => {
  const padded = written('padded.tar', await packFiles(buildImage(nodePlatform, [{ tar: whole }])))
  const expected = await pulledTree(`oci-archive:${padded}`)
  const oci = await packFiles(buildImage(nodePlatform, [{ tar: unpadded }]))
  expect(await pulledTree(`oci-archive:${written('oci.tar', withoutZerosAtEnd(oci))}`)).toBe(expected)
  const docker = await packFiles(buildDockerImage(nodePlatform, [{ tar: unpadded }]))
  expect(await pulledTree(`docker-archive:${written('docker.tar', withoutZerosAtEnd(docker))}`)).toBe(expected)
})

test('a layer without padding is unpacked, with a store and without, and rewritten like the padded layer', async () => {
  const image = async (name: string, tar: Uint8Array): Promise<string> => {
    const path = written(name, await packFiles(buildImage(nodePlatform, [{ tar }], { architecture: hostArchitecture })))
    return `oci-archive:${path}`
  }
  const without = await image('without.tar', unpadded)
  const unpacked = async (reference: string, options = {}) =>
    await collect(unpackImage(reference, { as: 'tar' }, options))
  const expected = await unpacked(await image('with.tar', whole))
  expect(expected.length).toBeGreaterThan(2048)
  expect(await unpacked(without)).toEqual(expected)
  await using store = await openStore(join(folder, 'store'))
  expect(await unpacked(without, { store })).toEqual(expected)
  expect(await collect(filterTar(once(unpadded)))).toEqual(await collect(filterTar(once(whole))))
})

test('a layer without the last byte of its data is refused', async () => {
  const image = await packFiles(buildImage(nodePlatform, [{ tar: unpadded.subarray(0, -1) }]))
  await expect(pulledTree(`oci-archive:${written('short.tar', image)}`)).rejects.toThrow('Truncated tar archive')
})

testReference('umoci', 'a layer that umoci inserts is imported', async () => {
  const layout = join(folder, 'layout')
  for (const [path, bytes] of buildImage(nodePlatform, [{ tar: whole }], { tag: 'x' })) {
    mkdirSync(dirname(join(layout, path)), { recursive: true })
    writeFileSync(join(layout, path), bytes)
  }
  const before = await pulledTree(`oci:${layout}:x`)
  run('umoci', ['insert', '--rootless', '--image', `${layout}:x`, written('new', encodeUtf8('new')), '/usr/new'])
  expect(await pulledTree(`oci:${layout}:x`)).not.toBe(before)
})
