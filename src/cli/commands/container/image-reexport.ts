import { exportImage, parseImageReference } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { hostPlatform } from '../../../system/host.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { command } from '../../command.ts'
import { COMPRESSION_OPTIONS, layerCompression } from '../../container/layer-compression.ts'
import { PROXY_OPTIONS, registryOptions } from '../../container/registry-access.ts'
import { withCounter } from '../../text/object-counter.ts'
import { parseBoolean } from '../../values.ts'

export const imageReexport = command({
  name: 'container image reexport',
  summary: 'Export a stored image',
  usage: 'IMGREF DESTINATION',
  repo: true,
  long: true,
  options: {
    ...PROXY_OPTIONS,
    ...COMPRESSION_OPTIONS,
    'keep-layer-notes': { type: 'flag', help: 'Keep annotations and history of each layer' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ repo, args, options, out, err, signal }) {
    const [text, to, ...more] = args
    if (text === undefined || to === undefined || more.length > 0) {
      throw new UsageError('IMGREF and DESTINATION must be specified')
    }
    const target = parseImageReference(to)
    const image = parseImageReference(text)
    const opened = await repo()
    const registry = target.transport === 'registry' ? await registryOptions(options) : undefined
    const digest = await withCounter(err, 'Exporting', options.json, (onProgress) =>
      exportImage(opened, image, target, {
        host: hostPlatform(),
        files: nodeFiles,
        registry,
        skipCompression: options['compression-fast'] || undefined,
        compression: layerCompression(options),
        exactCompression: parseBoolean('exact-compression', options['exact-compression']),
        keepLayerNotes: options['keep-layer-notes'],
        signal,
        onProgress,
      }),
    )
    if (options.json) out.json({ image: to, digest })
    else out.line(`Exported: ${digest}`)
  },
})
