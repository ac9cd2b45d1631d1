/**
 * Sets the SELinux label of every directory, file and symlink of a tree by a policy. Entries for which the policy has
 * no label keep the one they have.
 *
 * Source: libostree, ostree-repo-commit.c (get_final_xattrs, with a policy).
 */

import { type Checksum, compareBytes, encodeUtf8, equalBytes } from '../../bytes.ts'
import { DirMeta, type FileHeader, sortXattrs, type Xattrs } from '../../objects/index.ts'
import type { Transaction } from '../core/interface.ts'
import { childPath } from '../core/path.ts'
import { readDirMeta } from '../core/read-metadata.ts'
import type { MutableTree } from '../core/tree.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import type { SePolicy } from './sepolicy.ts'

const SELINUX = encodeUtf8('security.selinux')

/**
 * Returns extended attributes with `security.selinux` set, in canonical order; `xattrs` itself if it is set already.
 * @param end what to append to the label: a NUL in objects, as the kernel stores it; nothing in a checkout, as ostree
 *   does
 */
export function withLabel(xattrs: Xattrs, label: string, end: '\0' | '' = '\0'): Xattrs {
  const value = encodeUtf8(label + end)
  const present = xattrs.filter(([name]) => compareBytes(name, SELINUX) === 0)
  if (present.length === 1 && present.every(([, old]) => equalBytes(old, value))) return xattrs
  return sortXattrs([...xattrs.filter(([name]) => compareBytes(name, SELINUX) !== 0), [SELINUX, value]])
}

/**
 * Labels a whole tree in place, and writes the new file and dirmeta objects to `tx`. All dirtrees of the tree are
 * loaded.
 * @throws {LimitError} when the policy's patterns take too long to match
 */
export async function labelTree(
  tx: Transaction,
  tree: MutableTree,
  policy: Pick<SePolicy, 'label'>,
  signal?: AbortSignal,
): Promise<void> {
  const labeller = new Labeller(tx, policy)
  const pauses = new Pauses(signal)
  const waiting: [path: string, tree: MutableTree][] = [['/', tree]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [path, directory] = next
    const pause = pauses.next()
    if (pause !== undefined) await pause
    await directory.load()
    if (directory.meta !== undefined) directory.setMeta(await labeller.directory(path, directory.meta))
    for (const [name, checksum] of directory.files) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      directory.replaceFile(name, await labeller.file(childPath(path, name), checksum))
    }
    for (const [name, child] of directory.dirs) waiting.push([childPath(path, name), child])
  }
}

/** Writes labelled copies of objects, one for each object and label. */
class Labeller {
  readonly #tx: Transaction
  readonly #policy: Pick<SePolicy, 'label'>
  readonly #metas = new Map<Checksum, DirMeta>()
  /** Labelled copies, by `CHECKSUM LABEL` of the original. */
  readonly #labelled = new Map<string, Checksum>()

  constructor(tx: Transaction, policy: Pick<SePolicy, 'label'>) {
    this.#tx = tx
    this.#policy = policy
  }

  /** Returns the dirmeta for the directory at `path`. */
  async directory(path: string, checksum: Checksum): Promise<Checksum> {
    const meta = this.#metas.get(checksum) ?? (await readDirMeta(this.#tx, checksum))
    this.#metas.set(checksum, meta)
    const label = this.#policy.label(path, meta.mode)
    if (label === undefined) return checksum
    const known = this.#labelled.get(`${checksum} ${label}`)
    if (known !== undefined) return known
    const xattrs = withLabel(meta.xattrs, label)
    const labelled =
      xattrs === meta.xattrs ? checksum : await this.#tx.writeMeta('dirmeta', DirMeta.encode({ ...meta, xattrs }))
    this.#labelled.set(`${checksum} ${label}`, labelled)
    return labelled
  }

  /** Returns the file object for the file at `path`. */
  async file(path: string, checksum: Checksum): Promise<Checksum> {
    const pending = this.#tx.statFile(checksum)
    const { header } = pending instanceof Promise ? await pending : pending
    const label = this.#policy.label(path, header.mode)
    if (label === undefined) return checksum
    const known = this.#labelled.get(`${checksum} ${label}`)
    if (known !== undefined) return known
    const labelled = await this.#writeLabelled(checksum, header, label)
    this.#labelled.set(`${checksum} ${label}`, labelled)
    return labelled
  }

  async #writeLabelled(checksum: Checksum, header: FileHeader, label: string): Promise<Checksum> {
    const xattrs = withLabel(header.xattrs, label)
    if (xattrs === header.xattrs) return checksum
    const { size, body } = await this.#tx.readFile(checksum)
    return this.#tx.writeFile({ header: { ...header, xattrs }, size, body })
  }
}
