/** The options that choose the compression of the layers a command writes. */
import type { LayerCompression } from '../../container/index.ts'
import { UsageError } from '../../errors.ts'
import type { OptionTable, OptionValues } from '../options.ts'
import { EXACT_COMPRESSION_OPTION } from '../values.ts'

export const COMPRESSION_OPTIONS = {
  'compression-fast': { type: 'flag', help: 'Use the fastest compression level' },
  compression: { type: 'string', arg: 'KIND', help: 'gzip, zstd or none; default gzip' },
  'exact-compression': {
    ...EXACT_COMPRESSION_OPTION['exact-compression'],
    help: 'Write gzip with exactly the bytes of zlib, as ostree-ext does; default yes, no is faster',
  },
} as const satisfies OptionTable

const KINDS: readonly LayerCompression['kind'][] = ['gzip', 'zstd', 'none']

/**
 * Parses `--compression`.
 * @returns `undefined` when it is not given
 * @throws {UsageError} when it is neither `gzip`, `zstd` nor `none`
 */
export function layerCompression(options: OptionValues<typeof COMPRESSION_OPTIONS>): LayerCompression | undefined {
  const { compression: text } = options
  if (text === undefined) return undefined
  const kind = KINDS.find((name) => name === text)
  if (kind === undefined)
    throw new UsageError(`Invalid compression '${text}', expected gzip, zstd or none`, 'compression')
  return options['compression-fast'] ? { kind, level: 1 } : { kind }
}
