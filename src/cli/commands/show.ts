/** `ostree show`. Source: ot-builtin-show.c. */

import { resolve } from 'node:path'
import { type Checksum, compareUtf8, toHex } from '../../bytes.ts'
import { NotFoundError, UnsupportedError, UsageError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import { bytes, isTypeString, type Vardict, variantAs } from '../../gvariant/index.ts'
import { Commit, decodeSizes } from '../../objects/index.ts'
import { findObject, findRemote, type Repo, readSignedCommit, type ShownObject } from '../../repo/index.ts'
import {
  allKeyRings,
  formatMetadataValue,
  formatObject,
  formatSignatures,
  GPG_SIGNATURES_KEY,
  remoteKeyRings,
} from '../../repo/internal.ts'
import { readKeyRings } from '../../repo/local.ts'
import { withIo } from '../../system/errno.ts'
import { directoryPath } from '../../system/raw-path.ts'
import { type CommandContext, command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import type { OptionTable } from '../options.ts'
import { commitAsJson, valueAsJson, xattrsAsJson } from '../text/json.ts'
import { JSON_OPTION, readFile, refuseRaw } from '../values.ts'

const OPTIONS = {
  'print-related': { type: 'flag', help: 'Show the "related" commits' },
  'print-variant-type': {
    type: 'string',
    arg: 'TYPE',
    help: 'Memory map OBJECT (in this case a filename) to the GVariant type string',
  },
  'list-metadata-keys': { type: 'flag', help: 'List the available metadata keys' },
  'print-metadata-key': { type: 'string', arg: 'KEY', help: 'Print string value of metadata key' },
  'print-hex': { type: 'flag', help: 'For byte array valued keys, output an unquoted hexadecimal string' },
  'list-detached-metadata-keys': { type: 'flag', help: 'List the available detached metadata keys' },
  'print-detached-metadata-key': { type: 'string', arg: 'KEY', help: 'Print string value of detached metadata key' },
  'print-sizes': { type: 'flag', help: 'Show the commit size metadata' },
  raw: { type: 'flag', help: 'Show raw variant data' },
  'no-byteswap': { type: 'flag', short: 'B', help: 'Do not automatically convert variant data from big endian' },
  'gpg-homedir': { type: 'string', raw: true, arg: 'HOMEDIR', help: 'GPG Homedir to use when looking for keyrings' },
  'gpg-verify-remote': { type: 'string', arg: 'REMOTE', help: 'Use REMOTE name for GPG configuration' },
  ...JSON_OPTION,
} as const satisfies OptionTable

type Context = CommandContext<typeof OPTIONS>

export const show = command({
  name: 'show',
  summary: 'Output a metadata object',
  usage: 'OBJECT',
  repo: true,
  rawArgs: true,
  options: OPTIONS,
  async run(context) {
    const { options, args, out } = context
    const repo = await context.repo()
    const [given] = args
    if (given === undefined) throw context.usageError('An object argument is required')
    const isFile = options['print-variant-type'] !== undefined
    const name = isFile ? given : await imageRevision(repo, given)
    if (options.json) refuseRaw(options)
    const key = options['print-metadata-key']
    const detachedKey = options['print-detached-metadata-key']
    // Of several options ostree follows a key before a list, and of each the one for detached metadata first.
    if (detachedKey !== undefined || (key === undefined && options['list-detached-metadata-keys'])) {
      const commit = await repo.resolve(name)
      if ((await repo.objects.readAttached('commitmeta', commit)) === undefined) {
        throw new NotFoundError(commit, `No detached metadata for commit ${commit}`)
      }
      printMetadata(context, await repo.readDetachedMetadata(commit), detachedKey)
    } else if (key !== undefined || options['list-metadata-keys']) {
      const { metadata } = await repo.readCommit(await repo.resolve(name))
      printMetadata(context, metadata, key)
    } else if (options['print-related']) {
      const { related } = await repo.readCommit(await repo.resolve(name))
      if (options.json) out.json(related)
      else for (const { name, checksum } of related) out.line(`${name} ${checksum}`)
    } else if (options['print-variant-type'] !== undefined) {
      printFile(context, name, options['print-variant-type'])
    } else if (options['print-sizes']) {
      await printSizes(context, repo, await repo.resolve(name))
    } else {
      const object = await findObject(repo, name)
      if (options.json) out.json(asJson(repo, object))
      else {
        const how = { raw: options.raw, unswapped: options['no-byteswap'] }
        for (const text of formatObject(repo.platform, object, how)) out.write(text)
      }
      if (object.type === 'commit' && !options.json) await printSignatures(context, repo, object.checksum)
    }
  },
})

/** Prints the value of one metadata key, or the names of all. @throws {NotFoundError} when the key does not exist */
function printMetadata({ options, out }: Context, metadata: Vardict, key: string | undefined): void {
  if (key === undefined) {
    const keys = metadata.map(([name]) => name).sort(compareUtf8)
    if (options.json) out.json(keys)
    else for (const name of keys) out.line(name)
    return
  }
  const value = metadata.find(([name]) => name === key)?.[1]
  if (value === undefined) throw new NotFoundError(key, `No such metadata key '${key}'`)
  const blob = options['print-hex'] ? variantAs(bytes, value) : undefined
  if (options.json) out.json(blob === undefined ? valueAsJson(value) : toHex(blob))
  else if (blob !== undefined) out.line(toHex(blob))
  else out.write(formatMetadataValue(value, options['no-byteswap']))
}

/** Prints a file as a GVariant of the given type. */
function printFile({ options, out }: Context, path: string, type: string): void {
  if (!isTypeString(type)) throw new UsageError(`Invalid GVariant type string '${type}'`, '--print-variant-type')
  const content = readFile(path)
  const text = formatMetadataValue({ type, bytes: content }, options['no-byteswap'])
  if (options.json) out.json({ variant: text.trimEnd() })
  else out.write(text)
}

/** Prints the sizes that the commit's metadata lists, of all objects and of those not in this repository. */
async function printSizes({ options, out }: Context, repo: Repo, commit: Checksum): Promise<void> {
  const sizes = decodeSizes((await repo.readCommit(commit)).metadata)
  const total = { archived: 0, unpacked: 0, objects: sizes.length }
  const needed = { archived: 0, unpacked: 0, objects: 0 }
  for (const { checksum, type, archived, unpacked } of sizes) {
    total.archived += archived
    total.unpacked += unpacked
    if (await repo.objects.has({ checksum, type })) continue
    needed.archived += archived
    needed.unpacked += unpacked
    needed.objects++
  }
  if (options.json) return out.json({ needed, total })
  out.line(`Compressed size (needed/total): ${formatSize(needed.archived)}/${formatSize(total.archived)}`)
  out.line(`Unpacked size (needed/total): ${formatSize(needed.unpacked)}/${formatSize(total.unpacked)}`)
  out.line(`Number of objects (needed/total): ${needed.objects}/${total.objects}`)
}

/** Prints the GPG signatures of a commit. An unsigned commit prints nothing. */
async function printSignatures({ options, out }: Context, repo: Repo, commit: Checksum): Promise<void> {
  const signed = await readSignedCommit(repo, commit)
  if (!signed.metadata.some(([key]) => key === GPG_SIGNATURES_KEY)) return
  const remote = options['gpg-verify-remote']
  const homedir = options['gpg-homedir']
  const found = remote === undefined ? undefined : await findRemote(repo, remote)
  const { hostVerification } = await import('../verification.ts')
  const verification = hostVerification()
  const rings =
    found === undefined
      ? [
          ...(await allKeyRings(repo, verification)),
          ...(homedir === undefined ? [] : readKeyRings(withIo(homedir, () => directoryPath(resolve(homedir))))),
        ]
      : await remoteKeyRings(repo, found, verification)
  try {
    out.write(await formatSignatures(signed, rings, verification))
  } catch (error) {
    // Without GPG support, print nothing unless a GPG option is given, as an ostree that was built without GPG.
    if (!(error instanceof UnsupportedError) || remote !== undefined || homedir !== undefined) throw error
  }
}

function asJson(repo: Repo, object: ShownObject) {
  const { type, checksum } = object
  if (type === 'commit') return { type, ...commitAsJson(repo, checksum, Commit.decode(object.bytes)) }
  if (type !== 'file') return { type, checksum }
  const { header, size } = object.info
  return { type, checksum, size, ...header, xattrs: xattrsAsJson(header.xattrs) }
}
