import { parseImageReference, updateDetachedMetadata } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { hostPlatform } from '../../../system/host.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { threadedPlatform } from '../../../system/threaded-platform.ts'
import { command } from '../../command.ts'
import { PROXY_OPTIONS, registryOptions } from '../../container/registry-access.ts'
import { readFile } from '../../values.ts'

export const imageReplaceDetachedMetadata = command({
  name: 'container image replace-detached-metadata',
  summary: 'Copy an image and replace the detached metadata of its commit',
  usage: '[FILE]',
  repo: false,
  options: {
    ...PROXY_OPTIONS,
    src: { type: 'string', arg: 'IMGREF', help: 'Image to read' },
    dest: { type: 'string', arg: 'IMGREF', help: 'Image to write' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ args, options, out, signal }) {
    const { src, dest } = options
    if (src === undefined || dest === undefined || args.length > 1) {
      throw new UsageError('--src and --dest must be specified, and at most one FILE')
    }
    const [path] = args
    const [from, to] = [parseImageReference(src), parseImageReference(dest)]
    const remote = from.transport === 'registry' || to.transport === 'registry'
    // Without a file, the existing detached metadata is removed.
    const metadata = path === undefined ? undefined : readFile(path)
    const digest = await updateDetachedMetadata(from, to, metadata, {
      platform: threadedPlatform,
      host: hostPlatform(),
      files: nodeFiles,
      registry: remote ? await registryOptions(options) : undefined,
      signal,
    })
    if (options.json) out.json({ image: dest, digest })
    else out.line(`Pushed: ${digest}`)
  },
})
