/** Tests of images written over others in the same directory, also when the process is killed meanwhile. */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeUtf8, readAll, streamOf } from '../../../src/bytes.ts'
import { openImage, parseImageReference } from '../../../src/container/index.ts'
import { openDirDestination } from '../../../src/container/transport/dir-destination.ts'
import type { WritableFiles } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const CONTEXT = { platform: nodePlatform, files: nodeFiles, host: { architecture: 'amd64', os: 'linux' } }
const TYPE = 'application/vnd.oci.image'
const KILLED = 'killed'

/** Writes an image whose layers have the bytes of `texts`. @returns its digest */
async function write(path: string, texts: readonly string[], files: WritableFiles = nodeFiles): Promise<string> {
  const into = await openDirDestination(files, path, nodePlatform)
  try {
    const layers = []
    for (const text of texts) {
      const blob = await into.putBlob(streamOf(encodeUtf8(text)))
      layers.push({ mediaType: `${TYPE}.layer.v1.tar`, ...blob })
    }
    const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) }
    const document = encodeUtf8(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }))
    const config = { mediaType: `${TYPE}.config.v1+json`, ...(await into.putBlob(streamOf(document))) }
    const mediaType = `${TYPE}.manifest.v1+json`
    await into.putManifest(encodeUtf8(JSON.stringify({ schemaVersion: 2, mediaType, config, layers })), { mediaType })
    return await into.commit()
  } finally {
    // A killed process does not remove anything: then this fails too.
    await Promise.resolve(into[Symbol.asyncDispose]()).catch((error: Error) => expect(error.message).toBe(KILLED))
  }
}

/** Reads the whole image at `path`. @returns digest of the manifest, and the texts of the layers */
async function read(path: string): Promise<[string, ...string[]]> {
  await using image = await openImage(parseImageReference(`dir:${path}`), CONTEXT)
  await image.config()
  const texts: string[] = []
  for (const layer of image.manifest.layers) texts.push(new TextDecoder().decode(await readAll(image.blob(layer))))
  return [image.manifestDigest, ...texts]
}

/** Returns files of which all changes fail after the first `count`, as if the process did not exist any more. */
function killedAfter(count: number): WritableFiles {
  let left = count
  const change =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (left-- <= 0) throw new Error(KILLED)
      return await work(...args)
    }
  return {
    ...nodeFiles,
    rename: change(nodeFiles.rename),
    remove: change(nodeFiles.remove),
    createTemporary: change(nodeFiles.createTemporary),
    createDirectory: change(nodeFiles.createDirectory),
    createFile: change(nodeFiles.createFile),
  }
}

test('a process that is killed at any step leaves the old image or the new one, complete', async () => {
  const OLD = ['shared', 'old layer', 'another old layer']
  const NEW = ['shared', 'new layer']
  const seen: string[] = []
  for (let steps = 0, done = false; !done; steps++) {
    const path = join(temporaryFolder(), 'image')
    const old = await write(path, OLD)
    writeFileSync(join(path, 'signature-1'), 'of the old image')
    const written = await write(path, NEW, killedAfter(steps)).catch((error: Error) => error)
    done = !(written instanceof Error)
    if (written instanceof Error) expect(written.message).toBe(KILLED)
    const [digest, ...texts] = await read(path)
    seen.push(digest === old ? 'old' : 'new')
    expect(texts).toEqual(digest === old ? OLD : NEW)
    if (done) expect(digest).toBe(written)
    // The next process removes what is left of old images.
    expect(await write(path, NEW)).toBe((await read(path))[0])
    const names = readdirSync(path).filter((name) => !name.startsWith('.tmp-'))
    expect(names.filter((name) => !/^[0-9a-f]{64}$/.test(name)).sort()).toEqual(['manifest.json', 'version'])
    expect(names).toHaveLength(5)
  }
  expect(seen.slice(0, 5)).toEqual(Array(5).fill('old'))
  expect(seen.slice(-3)).toEqual(Array(3).fill('new'))
  expect(seen.join(' ')).toMatch(/^(?:old )+(?:new ?)+$/)
})

test('an image in a directory that is a symbolic link is replaced in place', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  await write(join(folder, 'real'), ['a'])
  const digest = await write(join(folder, 'link'), ['b'])
  expect(await read(join(folder, 'real'))).toEqual([digest, 'b'])
})
