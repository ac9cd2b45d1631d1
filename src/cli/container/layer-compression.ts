/** How the layers of images are compressed that commands write. */
import type { LayerCompression } from '../../container/index.ts'
import { UsageError } from '../../errors.ts'
import type { OptionTable, OptionValues } from '../options.ts'

export const COMPRESSION_OPTIONS = {
  'compression-fast': { type: 'flag', help: 'Compress as fast as can be' },
  compression: { type: 'string', arg: 'KIND', help: 'gzip, zstd or none; default gzip' },
} as const satisfies OptionTable

const KINDS: readonly LayerCompression['kind'][] = ['gzip', 'zstd', 'none']

/** @returns `undefined` where nothing was said. @throws {UsageError} */
export function layerCompression(options: OptionValues<typeof COMPRESSION_OPTIONS>): LayerCompression | undefined {
  const { compression: text } = options
  if (text === undefined) return undefined
  const kind = KINDS.find((name) => name === text)
  if (kind === undefined)
    throw new UsageError(`Invalid compression '${text}', expected gzip, zstd or none`, 'compression')
  return options['compression-fast'] ? { kind, level: 1 } : { kind }
}
