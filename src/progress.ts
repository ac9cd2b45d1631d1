/**
 * What long operations tell while they run. Events are plain data and arrive synchronously, in order; a listener that
 * throws makes the operation fail. Rates and bars are the listener's business.
 */
export type Progress =
  | { kind: 'layer-start' | 'layer-done' | 'layer-cached'; digest: string; index: number; total: number; size: number }
  /** Compressed bytes of one layer received so far. */
  | { kind: 'bytes'; digest: string; received: number; size: number }
  /** Objects of the running transaction so far. */
  | { kind: 'objects'; written: number; reused: number; bytes: number }
  /** A pass over a known number of things: fsck, prune, checkout. */
  | { kind: 'step'; label: string; done: number; total: number }

export interface ProgressOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: Progress) => void) | undefined
}
