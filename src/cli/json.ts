/** Metadata as JSON, for `--json`. */

import type { Checksum } from '../bytes.ts'
import { printVariant, string, type Vardict, variantAs } from '../gvariant/index.ts'
import { type Commit, contentChecksum, type Xattrs } from '../objects/index.ts'
import type { Repo } from '../repo/index.ts'

/** A string as it is; any other value as GVariant text. */
export function metadataAsJson(metadata: Vardict): Record<string, unknown> {
  return Object.fromEntries(
    metadata.map(([key, value]) => [key, variantAs(string, value) ?? { variant: printVariant(value, true) }]),
  )
}

export function commitAsJson(repo: Repo, commit: Checksum, value: Commit) {
  return {
    commit,
    parent: value.parent ?? null,
    contentChecksum: contentChecksum(repo.platform, value),
    timestamp: Number(value.timestamp),
    subject: value.subject,
    body: value.body,
    metadata: metadataAsJson(value.metadata),
    rootTree: value.rootTree,
    rootMeta: value.rootMeta,
  }
}

/** Names and values in base64: they are bytes. */
export function xattrsAsJson(xattrs: Xattrs): { name: string; value: string }[] {
  return xattrs.map(([name, value]) => ({
    name: Buffer.from(name).toString('base64'),
    value: Buffer.from(value).toString('base64'),
  }))
}
