/** Writes images into layouts on disk, for tests of functions that take references. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { nodePlatform } from '../../src/platform/node.ts'
import { packTar, type TarEntry } from '../../src/tar/index.ts'
import { buildImage, type LayerFields } from '../../src/testing/image-builder.ts'
import { collect } from '../container/tar-kit.ts'

/** @returns the reference of the image, `oci:PATH:tag` */
export async function writeLayout(
  path: string,
  layers: readonly (readonly TarEntry[])[],
  change: (layer: LayerFields, index: number) => LayerFields = (layer) => layer,
): Promise<string> {
  const packed = await Promise.all(layers.map((layer) => collect(packTar(layer))))
  const fields = packed.map((tar, i) => {
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
    return change({ tar, blob: new Uint8Array(gzipSync(tar)), mediaType }, i)
  })
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  for (const [name, bytes] of buildImage(nodePlatform, fields, { tag: 'tag', architecture })) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), bytes)
  }
  return `oci:${path}:tag`
}
