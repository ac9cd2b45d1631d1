/**
 * Signs the regular files of a commit for IMA: copies the commit, with a signature of its content in the extended
 * attribute `security.ima` of each file, which the kernel verifies when the file is opened.
 *
 * Source: ostree-ext, ima.rs (ima_sign).
 */

import { type Checksum, encodeUtf8, equalBytes } from '../../bytes.ts'
import { Commit, type FileObject, isSymlink, sortXattrs } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { ObjectReader, Transaction } from '../core/interface.ts'
import { readCommit } from '../core/read-metadata.ts'
import { MutableTree, writeTree } from '../core/tree.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import type { Repo } from '../repo.ts'

const IMA = encodeUtf8('security.ima')

/** Signs a file. @param file its content may be read once. @returns the value of the attribute */
export type ImaSigner = (file: FileObject) => Promise<Uint8Array>

/** How to sign a commit for IMA. */
export interface ImaSignOptions extends Pick<ProgressOptions, 'signal'> {
  /** Replace existing signatures. Default: files with a signature are kept. */
  readonly overwrite?: boolean | undefined
}

/**
 * Writes a copy of a commit with signed files. Each file object is signed once. No ref is set.
 * @returns the new commit, which differs from the other only in its tree
 */
export async function imaSign(
  repo: Repo,
  commit: Checksum,
  sign: ImaSigner,
  { overwrite = false, signal }: ImaSignOptions = {},
): Promise<Checksum> {
  return repo.transaction(async (tx) => {
    const before = await readCommit(tx, commit)
    const root = MutableTree.from(tx, { tree: before.rootTree, meta: before.rootMeta })
    const signed = new Map<Checksum, Checksum>()
    const pauses = new Pauses(signal)
    const waiting = [root]
    for (let tree = waiting.pop(); tree !== undefined; tree = waiting.pop()) {
      await tree.load()
      for (const [name, checksum] of tree.files) {
        const pause = pauses.next()
        if (pause !== undefined) await pause
        const known = signed.get(checksum) ?? (await signFile(repo.objects, tx, checksum, sign, overwrite))
        signed.set(checksum, known)
        if (known !== checksum) tree.replaceFile(name, known)
      }
      for (const child of tree.dirs.values()) waiting.push(child)
    }
    const { tree, meta } = await writeTree(tx, root)
    return tx.writeMeta('commit', Commit.encode({ ...before, rootTree: tree, rootMeta: meta }))
  })
}

/** Writes a signed copy of a file. @returns `checksum` when the file is not signed */
async function signFile(
  reader: ObjectReader,
  tx: Transaction,
  checksum: Checksum,
  sign: ImaSigner,
  overwrite: boolean,
): Promise<Checksum> {
  const file = await reader.readFile(checksum)
  const { header } = file
  const others = header.xattrs.filter(([name]) => !equalBytes(name, IMA))
  if (isSymlink(header) || (others.length < header.xattrs.length && !overwrite)) return checksum
  const xattrs = sortXattrs([...others, [IMA, await sign(file)] as const])
  const { body, size } = await reader.readFile(checksum) // read again, since the signer may have consumed the first body
  return tx.writeFile({ header: { ...header, xattrs }, size, body })
}
