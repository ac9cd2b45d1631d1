/** What a transaction keeps in memory until it is published: everything except objects named by their content. */

import type { Checksum } from '../../bytes.ts'
import type { AttachedType, ObjectName } from '../../objects/index.ts'
import type { CommitState, RefPath, RefTarget } from '../core/interface.ts'

export interface Changes {
  /** `undefined` deletes the ref. */
  readonly refs: Map<RefPath, RefTarget | undefined>
  readonly states: Map<Checksum, CommitState>
  /** By type, then commit; `undefined` deletes. */
  readonly attached: Readonly<Record<AttachedType, Map<Checksum, Uint8Array | undefined>>>
}

export function noChanges(): Changes {
  return { refs: new Map(), states: new Map(), attached: { commitmeta: new Map(), 'tombstone-commit': new Map() } }
}

/** One entry of `Changes.attached`; `undefined` deletes. */
export type AttachedChange = readonly [type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined]

/** Lists `attached`, detached metadata first. */
export function* attachedChanges({ attached }: Changes): Iterable<AttachedChange> {
  for (const type of ['commitmeta', 'tombstone-commit'] as const) {
    for (const [commit, bytes] of attached[type]) yield [type, commit, bytes]
  }
}

/** Whether the object is attached to a commit: named by that commit, not by its own content. */
export function isAttached(name: ObjectName): name is ObjectName & { readonly type: AttachedType } {
  return name.type === 'commitmeta' || name.type === 'tombstone-commit'
}
