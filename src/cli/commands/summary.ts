/** `ostree summary`. Source: ot-builtin-summary.c. */

import { resolve } from 'node:path'
import { UnsupportedError, UsageError } from '../../errors.ts'
import { GVariantTextError, type Vardict, vardict } from '../../gvariant/index.ts'
import { commitCollectionMetadata, type Repo, readSummary, updateSummary } from '../../repo/index.ts'
import {
  formatRawSummary,
  formatSignatures,
  formatSummary,
  formatSummaryValue,
  GPG_SIGNATURES_KEY,
  requireWritable,
  SUMMARY_SIGNATURES_FILE,
  summaryMetadataKeys,
} from '../../repo/internal.ts'
import { readKeyRings } from '../../repo/local.ts'
import { withIo } from '../../system/errno.ts'
import { directoryPath } from '../../system/raw-path.ts'
import { command } from '../command.ts'
import { defaultTime, typedPair } from '../commit/inputs.ts'
import { gpgSignersOf } from '../signing/gpg.ts'
import { signersOf } from '../signing/keys.ts'
import { summaryAsJson, summaryValueAsJson } from '../text/json.ts'
import type { Output } from '../text/output.ts'
import { JSON_OPTION, refuseRaw } from '../values.ts'

export const summary = command({
  name: 'summary',
  summary: 'Manage summary metadata',
  usage: '',
  repo: true,
  rawArgs: true,
  options: {
    update: { type: 'flag', short: 'u', help: 'Update the summary' },
    view: { type: 'flag', short: 'v', help: 'View the local summary file' },
    raw: { type: 'flag', help: 'View the raw bytes of the summary file' },
    'list-metadata-keys': { type: 'flag', help: 'List the available metadata keys' },
    'print-metadata-key': { type: 'string', arg: 'KEY', help: 'Print string value of metadata key' },
    'gpg-sign': { type: 'strings', arg: 'KEY-ID', help: 'GPG Key ID to sign the summary with' },
    'gpg-homedir': { type: 'string', raw: true, arg: 'HOMEDIR', help: 'GPG Homedir to use when looking for keyrings' },
    sign: { type: 'strings', arg: 'KEY-ID', help: 'Key ID to sign the summary with' },
    'sign-type': { type: 'string', arg: 'NAME', help: "Signature type to use (defaults to 'ed25519')" },
    'add-metadata': {
      type: 'strings',
      short: 'm',
      arg: 'KEY=VALUE',
      help: 'Additional metadata field to add to the summary',
    },
    ...JSON_OPTION,
  },
  async run({ options, out, env, repo: openRepo }) {
    const repo = await openRepo()
    const key = options['print-metadata-key']
    if (options.update) {
      await requireWritable(repo)
      const gpg = gpgSignersOf(options['gpg-sign'], options['gpg-homedir'])
      const signers = [...gpg, ...signersOf(options, options.sign, env)]
      const metadata = options['add-metadata'].map(addedPair)
      if (repo.settings.collectionId !== undefined) {
        await commitCollectionMetadata(repo, { metadata, timestamp: defaultTime(env), signers })
      }
      await updateSummary(repo, { metadata, timestamp: BigInt(Math.floor(Date.now() / 1000)), signers })
    } else if (options.view || options.raw) {
      if (options.json) refuseRaw(options)
      if (options.json) out.json(summaryAsJson(await readSummary(repo)))
      else await view(repo, out, options)
    } else if (options['list-metadata-keys']) {
      const keys = summaryMetadataKeys(await readSummary(repo))
      if (options.json) out.json(keys)
      else for (const name of keys) out.line(name)
    } else if (key !== undefined) {
      const bytes = await readSummary(repo)
      if (options.json) out.json(summaryValueAsJson(bytes, key))
      else out.write(formatSummaryValue(bytes, key))
    } else {
      throw new UsageError('No option specified; use -u to update summary')
    }
  },
})

/** Parses `KEY=VALUE`. @throws {UsageError} with the message of `ostree summary`, when VALUE is malformed */
function addedPair(text: string): Vardict[number] {
  try {
    return typedPair(text)
  } catch (error) {
    if (!(error instanceof GVariantTextError)) throw error
    const { text: value, range, problem } = error.data
    throw new UsageError(`Error parsing variant ‘${value}’: : ${range}:${problem}`)
  }
}

interface ViewOptions {
  readonly raw: boolean
  readonly 'gpg-homedir': string | undefined
}

/** Prints the summary and its signatures, or the raw bytes of the summary. */
async function view(repo: Repo, out: Output, options: ViewOptions): Promise<void> {
  const bytes = await readSummary(repo)
  if (options.raw) return out.write(formatRawSummary(bytes))
  out.write(formatSummary(bytes))
  const signatures = await repo.storage.files?.read(SUMMARY_SIGNATURES_FILE)
  if (signatures === undefined) return out.line('Summary is unsigned')
  const metadata = vardict.decode(signatures)
  if (!metadata.some(([key]) => key === GPG_SIGNATURES_KEY)) return
  const homedir = options['gpg-homedir']
  const { hostVerification } = await import('../verification.ts')
  const verification = hostVerification()
  const rings = [
    ...((await verification.keys?.system()) ?? []),
    ...(homedir === undefined ? [] : readKeyRings(withIo(homedir, () => directoryPath(resolve(homedir))))),
  ]
  try {
    const text = await formatSignatures({ bytes, metadata }, rings, verification, { where: ' on the summary' })
    out.write(`\n${text}`)
  } catch (error) {
    // Without GPG support, print nothing unless a GPG option is given, as an ostree that was built without GPG.
    if (!(error instanceof UnsupportedError) || homedir !== undefined) throw error
  }
}
