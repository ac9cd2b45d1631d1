/** What is measured: an image in an OCI layout, and each of its layers also as a plain tar, for programs that read tars. */

/** One layer. */
export interface InputLayer {
  /** Path of the blob, as it is in the image. */
  readonly blob: string
  /** Path of the uncompressed tar. */
  readonly tar: string
  /** Bytes of the blob. */
  readonly compressed: number
  /** Bytes of the tar. */
  readonly size: number
  /** Number of regular files. */
  readonly files: number
  /** Bytes of content of the files. */
  readonly content: number
}

/** One image. */
export interface Input {
  readonly name: string
  /** Path of the layout. */
  readonly layout: string
  /** Reference of the image. */
  readonly image: string
  readonly layers: readonly InputLayer[]
  /** Number of regular files in all layers. */
  readonly files: number
  /** Bytes of content of all files. */
  readonly content: number
  /** Bytes of all blobs. */
  readonly compressed: number
  /** Bytes of all tars. */
  readonly plain: number
}
