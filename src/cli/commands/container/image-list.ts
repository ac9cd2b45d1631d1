import { listImages, parseManifestLayout, refForImage, tryQueryImage } from '../../../container/index.ts'
import { findLayerRef, layersOfLayout } from '../../../container/internal.ts'
import { formatSize } from '../../../format-size.ts'
import type { Repo } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { formatTable } from '../../text/table.ts'

interface LayerRow {
  digest: string
  size: number
  /** Checksum of the layer commit. */
  commit: string | undefined
  /** How many images of this repository have the layer. */
  sharedBy: number
}

interface ImageRow {
  reference: string
  /** The ref that names the merge commit. */
  ref: string
  manifestDigest: string
  mergeCommit: string
  layers: LayerRow[]
}

/** Returns all images with their layers. */
async function describe(repo: Repo, warn: (error: Error) => void): Promise<ImageRow[]> {
  const images: ImageRow[] = []
  const users = new Map<string, number>()
  for (const reference of await listImages(repo, warn)) {
    const image = await tryQueryImage(repo, reference, warn)
    if (image === undefined) continue
    const layers: LayerRow[] = []
    const kinds = new Map(
      layersOfLayout(parseManifestLayout(image.manifest, image.configuration)).map(({ layer, kind }) => [layer, kind]),
    )
    for (const layer of image.manifest.layers) {
      users.set(layer.digest, (users.get(layer.digest) ?? 0) + 1)
      const kind = kinds.get(layer) ?? 'derived'
      const commit = (await findLayerRef(repo, image.mergeCommit, { layer, kind }))?.commit
      layers.push({ digest: layer.digest, size: layer.size, commit, sharedBy: 0 })
    }
    const ref = refForImage(reference)
    images.push({ reference, ref, manifestDigest: image.manifestDigest, mergeCommit: image.mergeCommit, layers })
  }
  for (const { layers } of images) for (const layer of layers) layer.sharedBy = users.get(layer.digest) ?? 0
  return images
}

export const imageList = command({
  name: 'container image list',
  summary: 'List the images',
  usage: '',
  repo: true,
  options: {
    layers: { type: 'flag', help: 'Also list the layers: size, number of images that share them, layer commit' },
    json: { type: 'flag', help: 'Print one JSON array' },
  },
  async run({ repo, options, out, err }) {
    const opened = await repo()
    const warn = ({ message }: Error) => err.line(`warning: ${message}`)
    if (!options.layers && !options.json) {
      for (const reference of await listImages(opened, warn)) {
        out.line(reference)
        // Elsewhere the output is that of ostree-ext, which scripts read.
        if (out.isTerminal) out.line(`  ref ${refForImage(reference)}`)
      }
      return
    }
    const images = await describe(opened, warn)
    if (options.json) return out.json(images)
    for (const { reference, ref, mergeCommit, manifestDigest, layers } of images) {
      out.line(reference)
      out.line(`  ref      ${ref}`)
      out.line(`  manifest ${manifestDigest}`)
      out.line(`  commit   ${mergeCommit}`)
      const rows = layers.map(({ digest, size, sharedBy, commit }) => [
        `  ${digest.slice(7, 19)}`,
        formatSize(size),
        sharedBy === 1 ? 'only here' : `in ${sharedBy} images`,
        commit?.slice(0, 12) ?? 'missing',
      ])
      out.write(formatTable([['  LAYER', 'SIZE', 'SHARED', 'COMMIT'], ...rows]))
    }
    const layers = new Map(images.flatMap((image) => image.layers.map((layer) => [layer.digest, layer.size] as const)))
    const stored = [...layers.values()].reduce((sum, size) => sum + size, 0)
    const named = images.flatMap((image) => image.layers).reduce((sum, { size }) => sum + size, 0)
    const sizes = `${formatSize(stored)}, ${formatSize(named)} without sharing`
    out.line(`${images.length} images, ${layers.size} layers: ${sizes}`)
  },
})
