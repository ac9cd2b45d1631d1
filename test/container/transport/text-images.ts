/** Small images whose layers are texts, and files that fail as if the process had been killed. */
import { expect } from 'vitest'
import { encodeUtf8, readAll, streamOf } from '../../../src/bytes.ts'
import { openDestination, openImage, parseImageReference } from '../../../src/container/index.ts'
import type { WritableFiles } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'

const CONTEXT = { platform: nodePlatform, files: nodeFiles, host: { architecture: 'amd64', os: 'linux' } }
const TYPE = 'application/vnd.oci.image'
export const KILLED = 'killed'

/**
 * Writes an image whose layers have the bytes of `texts`.
 * @param image a reference, such as `dir:PATH`
 * @returns its digest
 */
export async function writeTexts(
  image: string,
  texts: readonly string[],
  files: WritableFiles = nodeFiles,
): Promise<string> {
  const into = await openDestination(parseImageReference(image), { ...CONTEXT, files })
  try {
    const layers = []
    for (const text of texts) {
      const blob = await into.putBlob(streamOf(encodeUtf8(text)))
      layers.push({ mediaType: `${TYPE}.layer.v1.tar`, ...blob })
    }
    const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) }
    const document = encodeUtf8(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }))
    const type = { mediaType: `${TYPE}.config.v1+json` }
    const config = { ...type, ...(await into.putBlob(streamOf(document), type)) }
    const mediaType = `${TYPE}.manifest.v1+json`
    await into.putManifest(encodeUtf8(JSON.stringify({ schemaVersion: 2, mediaType, config, layers })), { mediaType })
    return await into.commit()
  } finally {
    // A killed process does not remove anything: then this fails too.
    await Promise.resolve(into[Symbol.asyncDispose]()).catch((error: Error) => expect(error.message).toBe(KILLED))
  }
}

/** Reads a whole image. @returns digest of the manifest, and the texts of the layers */
export async function readTexts(name: string): Promise<[string, ...string[]]> {
  await using image = await openImage(parseImageReference(name), CONTEXT)
  await image.config()
  const texts: string[] = []
  for (const layer of image.manifest.layers) texts.push(new TextDecoder().decode(await readAll(image.blob(layer))))
  return [image.manifestDigest, ...texts]
}

/** Returns files of which all changes fail after the first `count`, as if the process did not exist any more. */
export function killedAfter(count: number): WritableFiles {
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
