/**
 * Gives every directory, file and link of a tree the label a policy has for its path, in place of the one it has; what
 * the policy has none for stays as it is.
 *
 * Source: libostree, ostree-repo-commit.c (get_final_xattrs, with a policy).
 */

import { type Checksum, compareBytes, encodeUtf8, equalBytes } from '../../bytes.ts'
import { DirMeta, type FileHeader, sortXattrs, type Xattrs } from '../../objects/index.ts'
import type { Transaction } from '../core/interface.ts'
import { childPath } from '../core/path.ts'
import { readDirMeta } from '../core/read-metadata.ts'
import type { MutableTree } from '../core/tree.ts'
import type { SePolicy } from './sepolicy.ts'

const SELINUX = encodeUtf8('security.selinux')

/**
 * The attributes with that label, in canonical order.
 * @param end the kernel keeps a NUL behind it, so do objects; a checkout of ostree writes none
 * @returns the same when they have it already
 */
export function withLabel(xattrs: Xattrs, label: string, end: '\0' | '' = '\0'): Xattrs {
  const value = encodeUtf8(label + end)
  const present = xattrs.filter(([name]) => compareBytes(name, SELINUX) === 0)
  if (present.length === 1 && present.every(([, old]) => equalBytes(old, value))) return xattrs
  return sortXattrs([...xattrs.filter(([name]) => compareBytes(name, SELINUX) !== 0), [SELINUX, value]])
}

/** Changes `tree` in place and writes the objects it then names; the whole tree is read. */
export async function labelTree(
  tx: Transaction,
  tree: MutableTree,
  policy: Pick<SePolicy, 'label'>,
  signal?: AbortSignal,
): Promise<void> {
  const labeller = new Labeller(tx, policy)
  const waiting: [path: string, tree: MutableTree][] = [['/', tree]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal?.throwIfAborted()
    const [path, directory] = next
    await directory.load()
    if (directory.meta !== undefined) directory.setMeta(await labeller.directory(path, directory.meta))
    for (const [name, checksum] of directory.files) {
      directory.replaceFile(name, await labeller.file(childPath(path, name), checksum))
    }
    for (const [name, child] of directory.dirs) waiting.push([childPath(path, name), child])
  }
}

/** Objects of one kind and label are made once. */
class Labeller {
  readonly #tx: Transaction
  readonly #policy: Pick<SePolicy, 'label'>
  readonly #metas = new Map<Checksum, DirMeta>()
  readonly #labelled = new Map<string, Checksum>()

  constructor(tx: Transaction, policy: Pick<SePolicy, 'label'>) {
    this.#tx = tx
    this.#policy = policy
  }

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
