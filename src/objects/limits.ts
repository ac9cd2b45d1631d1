/** Bytes of the largest metadata object that is taken from a network: 128 MiB. Local ones have no limit. */
export const MAX_METADATA_SIZE = 128 * 1024 * 1024
