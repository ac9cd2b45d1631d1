/**
 * Names of whiteouts, files of a layer that stand for removed ones:
 *
 *     .wh.NAME         removes NAME of the layers below
 *     .wh..wh..opq     removes everything that the layers below have in its directory
 *
 * Source: OCI image-spec 1.1, layer.md, "Whiteouts".
 */

/** Prefix of the name of every whiteout. */
export const WHITEOUT_PREFIX = '.wh.'
/** Name of a whiteout that makes its directory opaque. */
export const OPAQUE_WHITEOUT = '.wh..wh..opq'
