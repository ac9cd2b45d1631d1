/**
 * Objects that a thread writes for the transaction of another one, as loose files in a directory of its own, in staging:
 *
 *   lane-N/CHECKSUM.file            or, while the repository is empty, lane-N/ab/cdef….file as in `objects/`
 *   lane-N/stream-M                 content whose checksum is not known yet
 *
 * The transaction takes the objects one by one, decides which are new, and deletes the others. What is in the directory
 * of a thread that has ended its work is published with the next checkpoint.
 */

import { rmdirSync } from 'node:fs'
import type { Checksum } from '../../../bytes.ts'
import { unless } from '../../../system/errno.ts'
import { removeFile } from '../../../system/file-io.ts'
import type { LanePlace } from '../../core/interface.ts'

/** Returns the path of an object in the directory of a thread. */
export function lanePath({ path, fanOut }: LanePlace, checksum: Checksum, suffix: string): string {
  return fanOut ? `${path}/${checksum.slice(0, 2)}/${checksum.slice(2)}.${suffix}` : `${path}/${checksum}.${suffix}`
}

/** Removes an object from the directory of a thread. */
export function dropFromLane(place: LanePlace, checksum: Checksum, suffix: string): void {
  const path = lanePath(place, checksum, suffix)
  removeFile(path, path)
}

/** Removes the directory of a thread, from which all objects have been moved. */
export function removeLane({ path }: LanePlace): void {
  // One with directories in it is removed with staging.
  unless(['ENOTEMPTY', 'EEXIST'], 'tmp', () => rmdirSync(path))
}
