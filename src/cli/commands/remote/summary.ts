/** `ostree remote summary`. Source: ot-remote-builtin-summary.c. */

import { NotFoundError } from '../../../errors.ts'
import { formatRawSummary, formatSummary, formatSummaryValue, summaryMetadataKeys } from '../../../repo/internal.ts'
import { command } from '../../command.ts'
import { summaryAsJson, summaryValueAsJson } from '../../text/json.ts'
import { JSON_OPTION, refuseRaw } from '../../values.ts'
import { CACHE_DIR } from './options.ts'
import { summaryOf } from './summary-of.ts'

export const summary = command({
  name: 'remote summary',
  summary: 'Show remote summary',
  usage: 'NAME',
  repo: true,
  rawArgs: true,
  options: {
    'list-metadata-keys': { type: 'flag', help: 'List the available metadata keys' },
    'print-metadata-key': { type: 'string', arg: 'KEY', help: 'Print string value of metadata key' },
    ...CACHE_DIR,
    raw: { type: 'flag', help: 'Show raw variant data' },
    ...JSON_OPTION,
  },
  async run({ options, args: [remote], out, env, signal, repo, usageError }) {
    const opened = await repo()
    if (remote === undefined) throw usageError('NAME must be specified')
    const found = await summaryOf(opened, remote, { env, signal }, options['cache-dir'])
    if (found === undefined) throw new NotFoundError(remote, 'Remote server has no summary file')
    const { bytes } = found
    const key = options['print-metadata-key']
    if (options.json) refuseRaw(options)
    if (options.json) return out.json(asJson(bytes, options['list-metadata-keys'], key))
    if (options['list-metadata-keys']) for (const name of summaryMetadataKeys(bytes)) out.line(name)
    else if (key !== undefined) out.write(formatSummaryValue(bytes, key))
    else if (options.raw) out.write(formatRawSummary(bytes))
    else {
      out.write(formatSummary(bytes))
      const signatures = await found.signatures()
      if (signatures !== '') out.write(`\n${signatures}`)
    }
  },
})

function asJson(bytes: Uint8Array, keys: boolean, key: string | undefined): unknown {
  if (keys) return summaryMetadataKeys(bytes)
  return key === undefined ? summaryAsJson(bytes) : summaryValueAsJson(bytes, key)
}
