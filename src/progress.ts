/**
 * An event that a long operation reports while it runs. Events are plain data and arrive synchronously, in order; a
 * listener that throws makes the operation fail.
 */
export type Progress =
  /**
   * Layer number `index`, from 0, of `total` is being transferred, was transferred, or was stored already. `digest` is
   * `sha256:HEX`, `size` the compressed size in bytes. An import gives `part`: whether the layer is part of the
   * encapsulated commit (`ostree-chunk`) or was added to it (`derived-layer`).
   */
  | {
      kind: 'layer-start' | 'layer-done' | 'layer-cached'
      digest: string
      index: number
      total: number
      size: number
      part?: 'ostree-chunk' | 'derived-layer'
    }
  /** `received` of `size` compressed bytes of layer number `index` have been transferred. */
  | { kind: 'bytes'; digest: string; index: number; received: number; size: number }
  /**
   * Entries of layer number `index` that an import leaves out: hard links to objects of a repository that the layer does
   * not have, and changed objects without a hard link. `examples` are paths of some of them.
   */
  | {
      kind: 'entries-lost'
      digest: string
      index: number
      linksWithoutObject: number
      objectsWithoutLink: number
      examples: readonly string[]
    }
  /** Numbers of objects that the transaction has written and found stored already, and `bytes` of content written. */
  | { kind: 'objects'; written: number; reused: number; bytes: number }
  /**
   * A pull has fetched numbers of `metadata` and `content` objects of the `requested` ones that it has found so far.
   * So have `deltaParts` of `totalDeltaParts` parts of static deltas. `outstanding` requests are under way, `scanning` directories and commits are still to be read, and `received` bytes
   * have arrived.
   */
  | {
      kind: 'pull'
      metadata: number
      content: number
      requested: number
      deltaParts: number
      totalDeltaParts: number
      outstanding: number
      scanning: number
      received: number
    }
  /** `done` files, links and directories were checked out (or found and kept), or exported. Their total is not known. */
  | { kind: 'entries'; done: number }
  /** `bytes` of the plain tar of all layers so far were written, by operations that write images. */
  | { kind: 'written'; bytes: number }
  /** `done` of `total` items of the pass named by `label`, such as `prune`, are done. */
  | { kind: 'step'; label: string; done: number; total: number }

/** Options of operations that may take long. */
export interface ProgressOptions {
  /** Aborting it makes the operation fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Called with each event. */
  readonly onProgress?: ((event: Progress) => void) | undefined
}
