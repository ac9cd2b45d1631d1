import {
  type ContainerConfig,
  encapsulate as encapsulateCommit,
  parseImageReference,
} from '../../../container/index.ts'
import { createdAtSourceDateEpoch, normaliseConfig, parseRawMeta } from '../../../container/internal.ts'
import { FormatError, UsageError } from '../../../errors.ts'
import { hostPlatform } from '../../../system/host.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { command } from '../../command.ts'
import { COMPRESSION_OPTIONS, layerCompression } from '../../container/layer-compression.ts'
import { PROXY_OPTIONS, registryOptions } from '../../container/registry-access.ts'
import { imageRevision } from '../../image-revision.ts'
import { withCounter } from '../../text/object-counter.ts'
import { parseBoolean, readFile, readTextFile } from '../../values.ts'

/** Parses labels `KEY=VALUE`. Of equal keys the last one counts. @throws {UsageError} when one has no `=` */
function parseLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=')
      if (at < 0) throw new UsageError(`Missing '=' in label ${label}`)
      return [label.slice(0, at), label.slice(at + 1)]
    }),
  )
}

/** Reads a JSON file that holds the member `config` of an image configuration, or null. */
function readContainerConfig(path: string): ContainerConfig | undefined {
  const text = readTextFile(path)
  try {
    JSON.parse(text)
  } catch (error) {
    throw new FormatError(path, `Invalid ${path}: ${error instanceof Error ? error.message : ''}`, { cause: error })
  }
  // The text is not written anew, because a document that is nested too deeply would overflow the stack.
  const whole = `{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]},"config":${text}}`
  return normaliseConfig(Buffer.from(whole)).config
}

/**
 * Converts SOURCE_DATE_EPOCH to the creation time of the image. Without it the time of the commit is used.
 * @param text seconds since the epoch
 */
function sourceDate(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  return createdAtSourceDateEpoch(text)
}

export const encapsulate = command({
  name: 'container encapsulate',
  summary: 'Write a commit as an image',
  usage: 'REV IMGREF',
  repo: true,
  long: true,
  options: {
    ...PROXY_OPTIONS,
    label: { type: 'strings', short: 'l', arg: 'KEY=VALUE', help: 'Add a label to the image' },
    config: { type: 'string', arg: 'FILE', help: 'JSON file with the container config to start from' },
    copymeta: { type: 'strings', arg: 'KEY', help: 'Copy this key of the commit metadata to a label' },
    'copymeta-opt': { type: 'strings', arg: 'KEY', help: 'Like --copymeta, but the commit may lack the key' },
    cmd: { type: 'strings', arg: 'ARG', help: 'An argument of the container command (may be repeated)' },
    ...COMPRESSION_OPTIONS,
    contentmeta: { type: 'string', arg: 'FILE', help: 'JSON file that assigns files to layers' },
    'max-layers': { type: 'integer', arg: 'NUM', help: 'Maximum number of layers, with --contentmeta' },
    'create-parent-dirs': { type: 'flag', help: 'Write entries for the parent directories of each file' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ repo, args, options, out, err, env, signal }) {
    const [rev, to, ...more] = args
    if (rev === undefined || to === undefined || more.length > 0)
      throw new UsageError('REV and IMGREF must be specified')
    const target = parseImageReference(to)
    const meta = options.contentmeta === undefined ? undefined : parseRawMeta(readFile(options.contentmeta))
    const labels = { ...parseLabels(options.label), ...meta?.labels }
    const cmd = options.cmd.length === 0 ? undefined : options.cmd
    const opened = await repo()
    const commit = await imageRevision(opened, rev)
    const registry = target.transport === 'registry' ? await registryOptions(options) : undefined
    const digest = await withCounter(err, 'Encapsulating', options.json, (onProgress) =>
      encapsulateCommit(
        opened,
        commit,
        { labels, cmd },
        {
          host: hostPlatform(),
          files: nodeFiles,
          registry,
          skipCompression: options['compression-fast'],
          compression: layerCompression(options),
          exactCompression: parseBoolean('exact-compression', options['exact-compression']),
          copyMetaKeys: options.copymeta,
          copyMetaOptKeys: options['copymeta-opt'],
          containerConfig: options.config === undefined ? undefined : readContainerConfig(options.config),
          packageContentmeta: meta?.packageContentmeta,
          maxLayers: options['max-layers'] ?? meta?.maxLayers,
          created: meta?.created ?? sourceDate(env['SOURCE_DATE_EPOCH']),
          tarCreateParentDirs: options['create-parent-dirs'],
          signal,
          onProgress,
        },
        target,
      ),
    )
    if (options.json) out.json({ image: to, digest })
    else out.line(digest)
  },
})
