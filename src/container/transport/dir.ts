/**
 * Reads an image from a directory of blobs.
 *
 *     version                `Directory Transport Version: 1.1\n`
 *     manifest.json          manifest or index; the manifests of an index are <hex>.manifest.json
 *     <hex>                  config and layers
 *
 * Source: containers/image, package `directory`.
 */
import { displayUtf8 } from '../../bytes.ts'
import { UnsupportedError, withContext } from '../../errors.ts'
import { digestChecksum } from '../oci/digest.ts'
import { MAX_MANIFEST_SIZE } from '../oci/manifest.ts'
import { type FileTree, readFile } from './file-tree.ts'
import type { ImageSource, SourceContext } from './interface.ts'
import { openManifest } from './manifest-source.ts'

/**
 * Opens an image in a directory. As in containers/image, one without the file `version` is of the first version.
 * @throws {UnsupportedError} when the version is not 1.x; as `openManifest`
 */
export async function openDir(tree: FileTree, context: SourceContext): Promise<ImageSource> {
  try {
    await checkVersion(tree)
    const bytes = await readFile(tree, 'manifest.json', MAX_MANIFEST_SIZE)
    const reader = {
      manifest: ({ digest }) => readFile(tree, `${digestChecksum(digest)}.manifest.json`, MAX_MANIFEST_SIZE),
      config: ({ digest }, limit) => readFile(tree, digestChecksum(digest), limit),
      blob: ({ digest }) => tree.stream(digestChecksum(digest)),
      givesPlainLayers: false,
    } satisfies Parameters<typeof openManifest>[0]
    return await openManifest(reader, bytes, undefined, context)
  } catch (error) {
    throw withContext(`dir:${tree.what}`, error)
  }
}

async function checkVersion(tree: FileTree): Promise<void> {
  if ((await tree.size('version')) === undefined) return
  const text = displayUtf8(await readFile(tree, 'version', 1024)).trimEnd()
  if (/^Directory Transport Version: 1\.[0-9]+$/.test(text)) return
  throw new UnsupportedError('directory version', `unsupported directory transport version ${JSON.stringify(text)}`)
}
