/** Sizes that both providers keep to. */

/** A deflate stream cannot grow more than this: 258 bytes cost at least two bits. Source: RFC 1951, 3.2.5. */
export const MAX_DEFLATE_RATIO = 1032

/** Bytes of a chunk of output. With zlib's own 16 KiB a layer takes 2.5 times as long. */
export const STREAM_CHUNK_BYTES = 1 << 20

/** Default levels: zlib's own, and zstd's own. */
export const DEFLATE_LEVEL = 6
export const ZSTD_LEVEL = 3

/** A zstd frame that wants to reach back further is refused: 128 MiB, what the zstd program takes without `--long`. */
export const MAX_ZSTD_WINDOW = 1 << 27
