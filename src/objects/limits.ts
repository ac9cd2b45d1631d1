/** Size in bytes of the largest metadata object that is accepted from a network: 128 MiB. Local ones have no limit. */
export const MAX_METADATA_SIZE = 128 * 1024 * 1024
