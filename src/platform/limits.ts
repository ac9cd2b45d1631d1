/** Limits and defaults of compression that both platforms use. */

/** Largest ratio of decompressed to compressed bytes in deflate: 258 bytes take at least 2 bits. Source: RFC 1951, 3.2.5. */
export const MAX_DEFLATE_RATIO = 1032

/** Size of a chunk of a stream in bytes: 256 KiB. With zlib's default of 16 KiB a layer takes 2.5 times as long; 1 MiB is as fast, and takes 20 MB more. */
export const STREAM_CHUNK_BYTES = 1 << 18

/** Default level of deflate, as in zlib. */
export const DEFLATE_LEVEL = 6
/** Default level of zstd, as in zstd. */
export const ZSTD_LEVEL = 3

/** Largest dictionary of an xz block that is accepted, in bytes: 128 MiB. That of `xz -9` has 64 MiB. */
export const MAX_XZ_DICTIONARY: number = 1 << 27

/** Largest window of a zstd frame that is accepted, in bytes: 128 MiB, the limit of the zstd program without `--long`. */
export const MAX_ZSTD_WINDOW = 1 << 27
