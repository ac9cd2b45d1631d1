/** What a transaction of a repository directory writes, and where it is meanwhile. */

import type { MetaType, ObjectType } from '../../../objects/index.ts'
import type { TransactionStats } from '../../core/interface.ts'

export type WrittenType = MetaType | 'file'
/** Where an object is that is not in `objects/` yet. */
export type Place = 'staged' | 'inherited'

export function isWritten(type: ObjectType): type is WrittenType {
  return type === 'file' || type === 'dirtree' || type === 'dirmeta' || type === 'commit'
}

export function noStats(): TransactionStats {
  return {
    metadataTotal: 0,
    metadataWritten: 0,
    contentTotal: 0,
    contentWritten: 0,
    contentBytesWritten: 0,
    contentCacheHits: 0,
  }
}
